"""`multimodel evaluate RUN`: held-out scores with their controls, as a table and as RUN/evaluation.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from multimodel.commands.console import table_console
from multimodel.commands.words import split_names
from multimodel.evaluation.evaluate import EvaluationSettings
from multimodel.evaluation.table import evaluation_table, samples_table
from multimodel.runs import evaluate_run


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a run on held-out data, each task beside its trivial baseline and its shuffled-input control."""

    run: Positional[Path]
    """Folder that `multimodel train … --out` wrote."""
    tasks: tuple[str, ...] = ()
    """Tasks to evaluate, by name; all of the run's where none is named."""
    data_folder: Path | None = None
    """Folder of the built mini8, where it is not where the run had it."""
    settings: Annotated[EvaluationSettings, arg(name="")] = field(default_factory=EvaluationSettings)


def main(arguments: Sequence[str]) -> None:
    """Parse, evaluate, write and print."""
    command = tyro.cli(Evaluate, args=arguments, prog="multimodel evaluate")
    names = split_names(command.tasks)
    scores = evaluate_run(command.run, names, command.settings, command.data_folder)
    if scores.found:
        console = table_console()
        console.print(evaluation_table(scores.found))
        console.print(samples_table(scores.found))
        print(f"Written: {command.run / 'evaluation.json'} and evaluation.md")
    scores.check(asked=bool(names))
