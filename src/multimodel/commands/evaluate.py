"""`multimodel evaluate RUN`: held-out scores with their controls, as a table and as RUN/evaluation.json."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console
from tyro.conf import Positional, arg

from multimodel.commands.train import split_names
from multimodel.errors import InputError
from multimodel.evaluation.evaluate import EvaluationSettings, TaskEvaluation, evaluate, write_evaluation
from multimodel.evaluation.table import evaluation_table, markdown_table, samples_table
from multimodel.folders import features_folder
from multimodel.tasks.mini8 import load_mini8
from multimodel.tasks.task import Task
from multimodel.training import checkpoint
from multimodel.training.train import default_device

PLAIN_WIDTH = 120  # columns in files and pipes


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
    evaluations = evaluate_run(command.run, split_names(command.tasks), command.settings, command.data_folder)
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    console.print(evaluation_table(evaluations))
    console.print(samples_table(evaluations))
    print(f"Written: {command.run / 'evaluation.json'} and evaluation.md")


def evaluate_run(
    run: Path, names: Sequence[str], settings: EvaluationSettings, data_folder: Path | None = None
) -> list[TaskEvaluation]:
    """Evaluate the newest checkpoint of a run; write `RUN/evaluation.json`, and its table as `RUN/evaluation.md`."""
    newest = checkpoint.latest(run)
    config = checkpoint.load_config(newest)
    model = config.build()
    checkpoint.load_weights(newest, model)
    tasks = run_tasks(config, names, data_folder)
    found = evaluate(model.to(default_device()), tasks, settings, cache=features_folder(), console=Console(stderr=True))
    write_evaluation(run / "evaluation.json", found, about(config, newest, settings))
    (run / "evaluation.md").write_text(markdown_table(found), encoding="utf-8")
    return found


def run_tasks(config: checkpoint.RunConfig, names: Sequence[str], data_folder: Path | None) -> tuple[Task, ...]:
    """The run's tasks with their examples."""
    known = [task.name for task in config.tasks]
    chosen = list(names) or known
    for name in chosen:
        if name not in known:
            raise InputError(f"This run has no task {name!r}: choose from {', '.join(known)}.")
    _, tasks = load_mini8(data_folder or Path(config.data_folder), chosen, config.data, config.vocabulary)
    return tasks


def about(config: checkpoint.RunConfig, newest: Path, settings: EvaluationSettings) -> dict[str, object]:
    """What was evaluated, and where."""
    state = checkpoint.load_state(newest)
    return {
        "preset": config.preset,
        "checkpoint": newest.name,
        "steps": state.step,
        "training_minutes": state.seconds / 60,
        "settings": asdict(settings),
        "training": asdict(config.training),
        "model": asdict(config.model),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }
