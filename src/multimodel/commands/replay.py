"""`multimodel replay RUN`: what went wrong in a run; with --step a step that it skipped, once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional

from multimodel.commands.console import table_console
from multimodel.errors import InputError
from multimodel.training.incidents import Incident, incidents, kept_steps
from multimodel.training.replay import Replayed, replay


@dataclass(frozen=True, kw_only=True)
class Replay:
    """List what went wrong in a run, or repeat a step that it skipped, weights, examples and random numbers as then."""

    run: Positional[Path]
    """Folder that `multimodel train … --out` wrote."""
    step: int | None = None
    """Step to repeat."""
    rank: int = 0
    """The process whose share of the step to repeat, where several trained together."""


def main(arguments: Sequence[str]) -> None:
    """Parse, then list or repeat."""
    command = tyro.cli(Replay, args=arguments, prog="multimodel replay")
    if not command.run.is_dir():
        raise InputError(f"{command.run} is not a folder: give the one that `multimodel train … --out` wrote.")
    console = table_console()
    if command.step is None:
        listed(command.run)
        return
    found = replay(command.run, command.step, command.rank)
    print(found.incident.what)
    if found.incident.details["device"] != "cpu":
        print(f"Repeated on a CPU; it was skipped on {found.incident.details['device']}, whose noise is another.")
    print(f"Repeated: loss {found.loss:.4g}, norm of the gradients {found.norm:.4g}, first in {found.blame.layer}.")
    console.print(examples_table(found))


def listed(run: Path) -> None:
    """Print all incidents, and which steps can be repeated."""
    found, steps = incidents(run), kept_steps(run)
    if not found:
        print(f"Nothing went wrong in {run}.")
        return
    table_console().print(incidents_table(found))
    if steps:
        print("To repeat a step that was skipped:")
    for step, rank in steps:
        print(f"multimodel replay {run} --step {step}" + (f" --rank {rank}" if rank else ""))


def incidents_table(found: Sequence[Incident]) -> Table:
    """One line each."""
    table = Table(title="What went wrong")
    table.add_column("step", justify="right")
    for column in ("kind", "what"):
        table.add_column(column)
    for incident in found:
        table.add_row(str(incident.step), incident.kind, escape(incident.what))
    return table


def examples_table(found: Replayed) -> Table:
    """Each example of the step alone, the worst first."""
    ids = [str(example["id"]) for example in found.incident.details["examples"]]
    table = Table(title="Each example alone")
    table.add_column("example")
    for column in ("loss", "norm of the gradients"):
        table.add_column(column, justify="right")
    for place in found.blame.worst:
        table.add_row(escape(ids[place]), f"{found.blame.losses[place]:.4g}", f"{found.blame.norms[place]:.4g}")
    return table
