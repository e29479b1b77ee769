"""`multimodel export RUN --tasks NAMES --out DIR`: the part of a trained model that some of its tasks use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table
from tyro.conf import Positional

from multimodel.commands.console import table_console
from multimodel.commands.words import split_names
from multimodel.errors import InputError
from multimodel.evaluation.before_after import before_after_table
from multimodel.runs import compare, export
from multimodel.training import checkpoint
from multimodel.training.tensors import count_numbers


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a smaller run that knows some tasks only, with its size and scores before and after."""

    run: Positional[Path]
    """Folder that `multimodel train … --out` wrote."""
    out: Path
    """Folder of the smaller run."""
    tasks: tuple[str, ...]
    """Tasks to keep, by name, with spaces or commas between."""
    drop_experts: bool = False
    """Leave out experts that these tasks never use on their training examples (5,000 of each at most)."""
    scores: bool = True
    """Score both runs, which takes a while."""
    data_folder: Path | None = None
    """Folder of the built mini8, where it is not where the run had it."""


def main(arguments: Sequence[str]) -> None:
    """Parse, write, compare."""
    command = tyro.cli(Export, args=arguments, prog="multimodel export")
    names = split_names(command.tasks)
    if not names:
        raise InputError("Which tasks? Name them with --tasks.")
    place = export(command.run, names, command.out, drop_experts=command.drop_experts, data_folder=command.data_folder)
    console = table_console()
    print(f"Written: {place}")
    console.print(size_table(command.run, command.out))
    if command.scores:
        old, new = compare(command.run, command.out, data_folder=command.data_folder)
        if new:
            console.print(before_after_table(old, new))


def size_table(before: Path, after: Path) -> Table:
    """Parameters, experts in a layer and megabytes of both runs."""
    table = Table(title="Size before and after")
    for column in ("", "before", "after"):
        table.add_column(column, justify="right" if column else "left")
    for name, *values in zip(("parameters", "experts in a layer", "MB"), size(before), size(after), strict=True):
        table.add_row(name, *values)
    return table


def size(run: Path) -> tuple[str, str, str]:
    """The newest checkpoint's."""
    newest = checkpoint.latest(run)
    count = count_numbers(newest / checkpoint.MODEL)
    megabytes = (newest / checkpoint.MODEL).stat().st_size / 1e6
    return f"{count:,}", str(checkpoint.load_config(newest).model.experts), f"{megabytes:.1f}"
