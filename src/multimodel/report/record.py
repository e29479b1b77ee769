"""What a run left behind, read for its report: its configuration, its evaluation and its log."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodel.errors import InputError
from multimodel.evaluation.evaluate import Sample, TaskEvaluation, TeacherForced
from multimodel.metrics import PRIMARY
from multimodel.training import checkpoint
from multimodel.training.kinds import KINDS, Kinds
from multimodel.training.run_config import RunConfig
from multimodel.training.tensors import count_numbers
from multimodel.training.trainer import StepReport

EVALUATION, LOG = "evaluation.json", "log.jsonl"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A run as its report shows it; `about` says what was evaluated, and on what machine.

    `parameters` is None where the newest checkpoint's weights are gone.
    """

    name: str
    config: RunConfig
    parameters: int | None
    about: dict[str, Any]
    evaluations: tuple[TaskEvaluation, ...]
    steps: tuple[StepReport, ...]

    @property
    def tasks(self) -> list[str]:
        """The names of all tasks, evaluated or not."""
        return [task.name for task in self.config.tasks]


def read_record(run: Path, kinds: Kinds = KINDS) -> Record:
    """The record of a run folder; raises `InputError` if it is no run, or is not evaluated yet."""
    if not run.is_dir():
        raise InputError(f"{run} is not a folder: give the one that `multimodel train … --out` wrote.")
    newest = checkpoint.latest(run)
    about, evaluations = read_evaluation(run / EVALUATION)
    return Record(
        name=run.resolve().name,
        config=checkpoint.load_config(newest, kinds),
        parameters=count_parameters(newest / checkpoint.MODEL),
        about=about,
        evaluations=evaluations,
        steps=read_log(run / LOG),
    )


def count_parameters(weights: Path) -> int | None:
    """The numbers in a file of weights, by its header alone; None if it cannot be read."""
    try:
        return count_numbers(weights)
    except InputError:
        return None


def read_evaluation(path: Path) -> tuple[dict[str, Any], tuple[TaskEvaluation, ...]]:
    """What `multimodel evaluate` wrote; raises `InputError` if it is missing or damaged."""
    call = f"`multimodel evaluate {path.parent}`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["about"]), tuple(_task_evaluation(task) for task in content["tasks"])
    except FileNotFoundError as error:
        raise InputError(f"{path.parent} was not evaluated yet: call {call} first.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): call {call} again.") from error


def _task_evaluation(values: dict[str, Any]) -> TaskEvaluation:
    forced = TeacherForced(**{**values["teacher_forced"], "experts": _layers(values["teacher_forced"]["experts"])})
    samples = tuple(Sample(**sample) for sample in values["samples"])
    evaluation = TaskEvaluation(**{**values, "teacher_forced": forced, "samples": samples})
    name = PRIMARY[evaluation.measure][0]
    if name not in evaluation.measures or name not in evaluation.shuffled_measures:
        raise ValueError(f"task {evaluation.task} lacks its measure {name}")
    return evaluation


def _layers(shares: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, layer)) for layer in shares)


def read_log(path: Path) -> tuple[StepReport, ...]:
    """Every step once, in order; a step that was repeated after a crash counts as it was the last time.

    A line that was cut off is skipped: the last line is, wherever a run was killed.
    """
    found: dict[tuple[int, int], StepReport] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for report in filter(None, map(_step, lines)):
                found[report.step, report.rank] = report
    except FileNotFoundError:
        return ()
    return tuple(found[key] for key in sorted(found))


def _step(line: str) -> StepReport | None:
    try:
        report = StepReport(**json.loads(line))
        return report if math.isfinite(report.loss) and report.seconds > 0 else None
    except (ValueError, TypeError):
        return None
