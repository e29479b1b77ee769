"""The raw inputs of the samples, taken from the data again: an evaluation keeps only the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodel.errors import InputError
from multimodel.evaluation.evaluate import TaskEvaluation
from multimodel.report.record import Record
from multimodel.tasks.mini8 import found_again, is_mini8
from multimodel.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Raw inputs by task and row of its split, and a sentence where some could not be read."""

    raw: Mapping[tuple[str, int], Any]
    missing: str = ""


def load_inputs(record: Record, data_folder: Path | None) -> Inputs:
    """The inputs of all samples; data that is gone costs the report its inputs only, unless a folder was named."""
    tasks = {task.name: task for task in record.config.tasks}
    raw: dict[tuple[str, int], Any] = {}
    missing = []
    for evaluation in record.evaluations:
        if evaluation.task not in tasks:  # the page leaves it out, too
            continue
        task = tasks[evaluation.task]
        try:
            raw |= sample_inputs(found_again(task, data_folder), evaluation)
        except InputError as error:
            if data_folder and is_mini8(task):
                raise
            missing.append(str(error))
    if not missing:
        return Inputs(raw=raw)
    return Inputs(raw=raw, missing=f"Some inputs are not shown, as the data cannot be read. {' '.join(missing)}")


def sample_inputs(task: Task, evaluation: TaskEvaluation) -> dict[tuple[str, int], Any]:
    """What each sample's example holds as input, where the data still has the same example at its place."""
    examples = task.examples.get(evaluation.split, ())
    found: dict[tuple[str, int], Any] = {}
    for sample in evaluation.samples:
        example = examples[sample.row] if sample.row < len(examples) else None
        if example and (example.id, example.output) == (sample.id, sample.output):
            found[task.name, sample.row] = example.input
    return found
