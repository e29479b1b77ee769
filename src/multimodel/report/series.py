"""The log of a run as curves and as a table: smoothed losses, and where the time went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean

import numpy as np

from multimodel.training.trainer import StepReport

WINDOWS, POINTS, LEAST = 20, 160, 4


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve: its name and its points from left to right."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What training on a task (or on all of them) took; times in seconds, shares in 0…1.

    Where processes take tasks of their own, these share the time of a step: their shares add up to more than 1.
    """

    task: str
    steps: int
    examples: int
    symbols: int
    seconds: float
    time_share: float
    padding: float
    waiting: float
    busiest_expert: float

    @property
    def speed(self) -> float:
        """Target symbols per second."""
        return self.symbols / self.seconds


def loss_lines(steps: Sequence[StepReport], tasks: Sequence[str]) -> list[Line]:
    """The smoothed training loss of each task that has trained, over steps."""
    by_task = {task: [report for report in steps if report.task == task] for task in tasks}
    return [
        running_mean(task, reports, lambda report: report.loss, lambda report: report.symbols, LEAST)
        for task, reports in by_task.items()
        if reports
    ]


def speed_line(steps: Sequence[StepReport]) -> Line:
    """Target symbols per second over steps."""
    return running_mean(
        "all tasks",
        whole_steps(steps),
        lambda report: report.symbols / report.seconds,
        _seconds,
        turns_of_all(steps),
    )


def share_lines(steps: Sequence[StepReport]) -> list[Line]:
    """Over steps, the share of places that were padding and the share of time spent waiting for data."""
    turns, whole = turns_of_all(steps), whole_steps(steps)
    return [
        running_mean("padding", whole, lambda report: report.padding, lambda report: 1.0, turns),
        running_mean("data wait", whole, lambda report: report.waiting / report.seconds, _seconds, turns),
    ]


def whole_steps(reports: Sequence[StepReport]) -> list[StepReport]:
    """One report for each step: processes that took tasks of their own in it shared its time."""
    together = (list(group) for _, group in groupby(reports, key=lambda report: report.step))
    return [_whole(group) for group in together]


def _whole(reports: Sequence[StepReport]) -> StepReport:
    """Counts of one step are added, shares and waiting averaged; what is one task's own stays that of the first."""
    return replace(
        reports[0],
        examples=sum(report.examples for report in reports),
        symbols=sum(report.symbols for report in reports),
        padding=fmean(report.padding for report in reports),
        seconds=max(report.seconds for report in reports),
        waiting=fmean(report.waiting for report in reports),
        busiest_expert=fmean(report.busiest_expert for report in reports),
    )


def turns_of_all(steps: Sequence[StepReport]) -> int:
    """Steps in which each task has had its turn about once: a shorter mean would show whose turn it is."""
    return len({report.task for report in steps})


def _seconds(report: StepReport) -> float:
    return report.seconds


def running_mean(
    name: str,
    steps: Sequence[StepReport],
    value: Callable[[StepReport], float],
    weight: Callable[[StepReport], float],
    least: int,
) -> Line:
    """Weighted mean over a trailing window of 1/20 of the steps, at least `least`, thinned to at most 160 points."""
    weights = np.array([weight(report) for report in steps], dtype=np.float64)
    weighted = weights * np.array([value(report) for report in steps])
    window = max(least, len(steps) // WINDOWS)
    means = _trailing(weighted, window) / np.maximum(_trailing(weights, window), 1e-12)
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), POINTS)).round().astype(int))
    return Line(
        name=name,
        xs=tuple(float(steps[place].step) for place in chosen),
        ys=tuple(float(means[place]) for place in chosen),
    )


def _trailing(values: np.ndarray, window: int) -> np.ndarray:
    """Sums of the last `window` values at every place, of fewer at the start."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    ends = np.arange(1, len(values) + 1)
    return sums[ends] - sums[np.maximum(ends - window, 0)]


def throughputs(steps: Sequence[StepReport], tasks: Sequence[str]) -> list[Throughput]:
    """One row for each task that has trained, and one for all."""
    every = whole_steps(steps)
    total = sum(report.seconds for report in every)
    groups = [(task, whole_steps([report for report in steps if report.task == task])) for task in tasks]
    return [throughput(name, reports, total) for name, reports in [*groups, ("all", every)] if reports]


def throughput(name: str, reports: Sequence[StepReport], total: float) -> Throughput:
    """Sums and means of some steps; `total` is the time of all steps."""
    seconds = sum(report.seconds for report in reports)
    return Throughput(
        task=name,
        steps=len(reports),
        examples=sum(report.examples for report in reports),
        symbols=sum(report.symbols for report in reports),
        seconds=seconds,
        time_share=seconds / total,
        padding=sum(report.padding for report in reports) / len(reports),
        waiting=sum(report.waiting for report in reports) / seconds,
        busiest_expert=sum(report.busiest_expert for report in reports) / len(reports),
    )
