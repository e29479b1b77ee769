"""What a run shows and keeps: a progress display, JSONL and TensorBoard logs, and the table of the mixture."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from multimodel.tasks.mixture import MixtureRow
from multimodel.training.health import IN_A_ROW
from multimodel.training.incidents import Incident, note
from multimodel.training.lines import strict
from multimodel.training.state import State
from multimodel.training.trainer import StepReport

SMOOTHING = 0.95
PLAIN_SECONDS = 30.0
LOG = "log.jsonl"


class Averages:
    """Running means per task, and over all tasks, of what a step reports."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, float]] = defaultdict(dict)

    def add(self, report: StepReport) -> None:
        """Take one step in."""
        numbers = {
            "loss": report.loss,
            "speed": report.symbols / report.seconds,
            "padding": report.padding,
            "waiting": report.waiting / report.seconds,
            "busiest expert": report.busiest_expert,
        }
        for name in (report.task, "all"):
            known = self.values[name]
            for key, value in numbers.items():
                known[key] = value if key not in known else SMOOTHING * known[key] + (1 - SMOOTHING) * value
            known["steps"] = known.get("steps", 0) + 1


def forget(log: Path, step: int) -> None:
    """Take the steps after this one out of a log: training was stopped after its last checkpoint, and repeats them."""
    if log.is_file():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        part = log.with_suffix(".part")
        part.write_text("".join(line for line in lines if _step_of(line) <= step), encoding="utf-8")
        part.replace(log)


def _step_of(line: str) -> float:
    """The step that a line of a log is about; after all others if it was cut off."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def mixture_table(rows: Sequence[MixtureRow]) -> Table:
    """The mixture before step 1."""
    table = Table(title="Mixture")
    for column in ("task", "examples", "left out", "symbols", "share", "epochs", "longest input", "longest output"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for row in rows:
        table.add_row(
            row.task,
            f"{row.examples:,}",
            f"{row.too_long:,}",
            f"{row.symbols:,}",
            f"{row.share:.1%}",
            f"{row.epochs:.2f}",
            f"{row.longest_input:,}",
            f"{row.longest_output:,}",
        )
    return table


class Display:
    """Shows every step on a terminal, a line now and then elsewhere; logs every step to JSONL and TensorBoard."""

    def __init__(self, run: Path, console: Console, step: int) -> None:
        self.run = run
        self.step = step
        self.console = console
        self.averages = Averages()
        self.bar = Progress(TextColumn("training"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self.bar_task = self.bar.add_task("starting", total=1.0)
        self.live = Live(console=console, refresh_per_second=2) if console.is_terminal else None
        self.seconds = 0.0
        self.next_line = 0.0

    def __enter__(self) -> Display:
        self.open_logs(self.step)
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()
        self.close_logs()

    def open_logs(self, step: int) -> None:
        """Go on after this step, and forget those that came later; a killed run leaves whole lines."""
        from torch.utils.tensorboard.writer import SummaryWriter  # imports take a second, and only training needs it

        self.run.mkdir(parents=True, exist_ok=True)
        forget(self.run / LOG, step)
        self.log: IO[str] = (self.run / LOG).open("a", buffering=1, encoding="utf-8")
        self.board = SummaryWriter(str(self.run / "tensorboard"), purge_step=step + 1)

    def close_logs(self) -> None:
        """All that was logged is in the files."""
        self.log.close()
        self.board.close()

    def show(self, reports: Sequence[StepReport], progress: float) -> None:
        """Log a step, which several processes may have taken on tasks of their own, and show the averages."""
        for report in reports:
            self.log_step(report)
        report = reports[0]
        self.seconds += report.seconds
        self.bar.update(self.bar_task, completed=min(progress, 1.0), description=f"{progress:.0%} · step {report.step}")
        if self.live:
            self.live.update(Group(self.table(), self.bar))
        elif self.seconds >= self.next_line and "all" in self.averages.values:
            self.next_line = self.seconds + PLAIN_SECONDS
            self.console.print(self.line(report, progress), highlight=False, soft_wrap=True)

    def log_step(self, report: StepReport) -> None:
        """Log a step."""
        if not report.skipped:
            self.averages.add(report)
        self.log.write(json.dumps(strict(asdict(report))) + "\n")
        for key in ("loss", "balance", "busiest_expert"):
            self.board.add_scalar(f"{key}/{report.task}", getattr(report, key), report.step)
        for key in ("gradient_norm", "learning_rate", "padding"):
            self.board.add_scalar(key, getattr(report, key), report.step)

    def show_held_out(self, step: int, losses: Mapping[str, float]) -> None:
        """Show the losses on held-out examples; what is logged until here is on disk before the checkpoint is."""
        os.fsync(self.log.fileno())
        for task, loss in losses.items():
            self.board.add_scalar(f"held-out loss/{task}", loss, step)
        if losses and not self.live:
            words = " ".join(f"{task} {loss:.2f}" for task, loss in losses.items())
            self.console.print(f"     step {step} · held-out loss: {words}", highlight=False, soft_wrap=True)

    def roll_back(self, task: str, failed: int, state: State) -> None:
        """Say that training goes on from an earlier step, and forget the steps after it."""
        self.close_logs()
        self.open_logs(state.step)
        what = (
            f"training on {task} failed {IN_A_ROW} times in a row: back from step {failed} to step {state.step}, "
            f"from here on at {state.slowing:g} of the learning rate"
        )
        note(self.run, Incident(step=failed, kind="roll-back", task=task, what=what))
        self.console.print(f"! {what}", highlight=False, markup=False, soft_wrap=True)

    def line(self, report: StepReport, progress: float) -> str:
        """One line of progress, for logs and pipes."""
        losses = " ".join(f"{task} {row['loss']:.2f}" for task, row in self.averages.values.items() if task != "all")
        row = self.averages.values["all"]
        return (
            f"{progress:4.0%} step {report.step} · {row['speed']:,.0f} symbols/s · padding {row['padding']:.0%} · "
            f"waiting {row['waiting']:.0%} · loss: {losses}"
        )

    def table(self) -> Table:
        """Losses and shares per task."""
        table = Table(title=f"{self.run}")
        for column in ("task", "steps", "loss", "symbols/s", "padding", "data wait", "busiest expert"):
            table.add_column(column, justify="left" if column == "task" else "right")
        for task, row in self.averages.values.items():
            table.add_row(
                task,
                f"{row['steps']:.0f}",
                f"{row['loss']:.3f}",
                f"{row['speed']:,.0f}",
                f"{row['padding']:.1%}",
                f"{row['waiting']:.1%}",
                f"{row['busiest expert']:.1%}",
            )
        return table
