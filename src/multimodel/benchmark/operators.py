"""Where a training step's time goes, by torch's operators: what is left to be made faster."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from multimodel.benchmark.models import training_steps
from multimodel.benchmark.results import Case, Figure, Part, Row
from multimodel.benchmark.setting import Setting
from multimodel.benchmark.steps import MIXTURE, first_batches, mini8_trainer
from multimodel.benchmark.timing import WARM_UP, seconds

MOST = 12


def self_time(event: Any, device: torch.device) -> float:
    """Microseconds spent in an operator itself, not in those it calls."""
    return float(event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total)


def measure(setting: Setting) -> list[Row]:
    """The operators that take most, and the rest together."""
    trainer, device = mini8_trainer(setting), setting.device
    batches = first_batches(trainer, MIXTURE, setting.scale.steps)
    steps = training_steps(trainer, batches)
    for _ in range(WARM_UP):
        steps()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]) as log:
        total = 1e6 * seconds(steps, device)
    events = [event for event in log.key_averages() if event.device_type.name == device.type.upper()]
    events.sort(key=lambda event: self_time(event, device), reverse=True)

    def row(name: str, taken: float, calls: int) -> Row:
        figures: dict[str, Figure] = {"share, %": 100 * taken / total, "ms a step": taken / 1e3 / len(batches)}
        return Row(name, {**figures, "calls a step": calls / len(batches)} if calls else figures)

    def together(name: str, chosen: list[Any]) -> Row:
        return row(name, sum(self_time(event, device) for event in chosen), sum(event.count for event in chosen))

    between = total - sum(self_time(event, device) for event in events)
    largest = [together(event.key, [event]) for event in events[:MOST]]
    return [*largest, together("all other operators", events[MOST:]), row("between operators", between, 0)]


def cases(setting: Setting) -> list[Case]:
    """One profile."""
    return [Case("mixture", partial(measure, setting))]


PART = Part(
    title="Where the time of a training step goes",
    about=f"Self time by operator over the first steps of mini8's mixture, the {MOST} largest (torch.profiler, which "
    "itself slows small operators most); between operators is the rest of the time that the steps took.",
    drawn="",
    cases=cases,
)
