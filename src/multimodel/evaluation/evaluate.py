"""Evaluation of a run on held-out data: scores, decoded measures, and two controls beside each task.

The trivial baseline never looks at the input; the shuffled control is the same model given other examples' inputs. A
task counts as learned only where the true input is clearly better than a shuffled one, and than the unigrams.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from multimodel.errors import InputError
from multimodel.evaluation.baselines import answer_baseline, symbol_baselines
from multimodel.evaluation.score import Scored, gap, score
from multimodel.metrics import MEASURES, SIGNATURES
from multimodel.model import MultiModel
from multimodel.prediction import Answer, batch_answers
from multimodel.tasks.batching import collate, evaluation_batches
from multimodel.tasks.encoded import Encoded, encode_examples, shuffled_inputs
from multimodel.tasks.task import TRAIN, Example, Task

CLEARLY_NATS, CLEARLY_ERRORS = 0.05, 3.0
SAMPLES = 8
DECODING_COST = 4096  # padded positions in a batch, inputs and targets together
MOST_AT_ONCE = 128  # hypotheses: decoding more of them together writes no more symbols a second


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One held-out example with the model's answer; `row` is its place in the split's examples."""

    id: str
    row: int
    output: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class TeacherForced:
    """Log-perplexity and accuracy per target symbol, each symbol given the true ones before it; nats.

    `gap` is what the true input saves against another example's, with its standard error over examples. `experts` has,
    per mixture layer, the share of the gates that each expert got.
    """

    log_perplexity: float
    accuracy: float
    shuffled_log_perplexity: float
    shuffled_accuracy: float
    gap: float
    gap_error: float
    learned: bool
    experts: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class TaskEvaluation:
    """All numbers of one task; the measures come from decoded output of `decoded` examples."""

    task: str
    split: str
    measure: str
    examples: int
    left_out: int
    teacher_forced: TeacherForced
    baselines: dict[str, float]
    decoded: int
    beams: int
    measures: dict[str, float]
    shuffled_measures: dict[str, float]
    baseline_measures: dict[str, float]
    signatures: dict[str, str]
    samples: tuple[Sample, ...]
    seconds: float


class Scores(NamedTuple):
    """The tasks that could be scored, and by its name why each of the others could not, a sentence."""

    found: list[TaskEvaluation]
    refused: dict[str, str]

    def tell(self) -> None:
        """Say on stderr which could not."""
        for why in self.refused.values():
            print(f"not scored: {why}", file=sys.stderr)

    def check(self, *, asked: bool) -> None:
        """The same, by an `InputError` where they were asked for by name or none could be scored."""
        if self.refused and (asked or not self.found):
            raise InputError("\n".join(self.refused.values()))
        self.tell()


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What is evaluated and how."""

    split: str = "test"
    """Held-out split: `dev` or `test`."""
    examples: int | None = None
    """Score only the first so many examples of each task."""
    decode: int | None = 200
    """Decode an evenly spread part of so many examples."""
    beams: int = 1
    """Beams of the search; 1 is greedy."""
    seed: int = 0
    """Decides whose input each example gets in the shuffled control."""
    most_bad: float | None = None
    """Share of examples that may be damaged; as in training where none is given."""

    def __post_init__(self) -> None:
        for name, least in (("examples", 2), ("decode", 1), ("beams", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"Of {name} there must be at least {least}, not {value}.")


def evaluate(
    model: MultiModel,
    tasks: Sequence[Task],
    settings: EvaluationSettings,
    *,
    read: Callable[[Task], Task] = lambda task: task,
    cache: Path | None = None,
    console: Console | None = None,
) -> Scores:
    """Evaluate each task that can be: one that cannot costs the others nothing.

    `read` gives a task its examples; `cache` is a folder for encoded ones, in which nothing is done twice.
    """
    model.eval()
    scores = Scores([], {})
    hidden = console is None or not console.is_terminal
    for task in track(tasks, "evaluating", console=console, disable=hidden, transient=True):
        try:
            scores.found.append(evaluate_task(model, read(task), settings, cache))
        except InputError as error:
            scores.refused[task.name] = str(error)
    return scores


def evaluate_task(model: MultiModel, task: Task, settings: EvaluationSettings, cache: Path | None) -> TaskEvaluation:
    """Score, decode and compare one task."""
    started = time.perf_counter()
    most_bad = settings.most_bad or 0.0
    encoded = encode_examples(task, settings.split, cache=cache, limit=settings.examples, most_bad=most_bad)
    if len(encoded) < 2:
        raise InputError(
            f"Task {task.name} has one {settings.split} example that can be used, and the shuffled control swaps the "
            "inputs of two at least: hold out more of its rows, or score another split."
        )
    train = encode_examples(task, TRAIN, cache=cache, most_bad=most_bad)
    shuffled = shuffled_inputs(encoded, settings.seed)
    baselines = symbol_baselines(task, train, encoded)
    places = evenly(len(encoded), settings.decode)
    examples = [task.examples[settings.split][int(row)] for row in encoded.rows[places]]
    answers = decode(model, task, encoded.take(places), examples, settings.beams)
    blind = decode(model, task, shuffled.take(places), examples, settings.beams)
    return TaskEvaluation(
        task=task.name,
        split=settings.split,
        measure=task.measure,
        examples=len(encoded),
        left_out=encoded.too_long + len(encoded.bad),
        teacher_forced=teacher_forced(
            score(model, task, encoded), score(model, task, shuffled), baselines["unigram_log_perplexity"]
        ),
        baselines=baselines,
        decoded=len(examples),
        beams=settings.beams,
        measures=measured(task, answers, examples),
        shuffled_measures=measured(task, blind, examples),
        baseline_measures=answer_baseline(task, train, examples),
        signatures=SIGNATURES[task.measure]() if task.measure in SIGNATURES else {},
        samples=samples(examples, encoded.rows[places], answers),
        seconds=time.perf_counter() - started,
    )


def teacher_forced(true: Scored, shuffled: Scored, unigram: float) -> TeacherForced:
    """Both scores and the difference between them; `unigram` is the log-perplexity that a learned task is below."""
    saved, error = gap(true, shuffled)
    return TeacherForced(
        log_perplexity=true.total.log_perplexity,
        accuracy=true.total.accuracy,
        shuffled_log_perplexity=shuffled.total.log_perplexity,
        shuffled_accuracy=shuffled.total.accuracy,
        gap=saved,
        gap_error=error,
        learned=saved > max(CLEARLY_NATS, CLEARLY_ERRORS * error) and true.total.log_perplexity < unigram,
        experts=tuple(tuple((gates / gates.sum()).tolist()) for gates in true.importance),
    )


def decode(model: MultiModel, task: Task, encoded: Encoded, examples: Sequence[Example], beams: int) -> list[Answer]:
    """The model's answers to the encoded inputs; trees get the words of the true examples."""
    device = next(model.parameters()).device
    found: dict[int, Answer] = {}
    for indices in evaluation_batches(encoded, DECODING_COST, max(1, MOST_AT_ONCE // beams)):
        batch = collate(task, encoded, indices).to(device)
        raws = [examples[index].input for index in indices]
        found.update(zip(indices.tolist(), batch_answers(model, task, batch, raws, beams=beams), strict=True))
    return [found[place] for place in range(len(encoded))]


def measured(task: Task, answers: Sequence[Answer], examples: Sequence[Example]) -> dict[str, float]:
    """The task's own measure."""
    hypotheses = [[name for name, _ in answer.ranked] or answer.text for answer in answers]
    return MEASURES[task.measure](hypotheses, [example.output for example in examples])


def samples(examples: Sequence[Example], rows: np.ndarray, answers: Sequence[Answer]) -> tuple[Sample, ...]:
    """A few, evenly spread."""
    return tuple(
        Sample(id=examples[place].id, row=int(rows[place]), output=examples[place].output, answer=answers[place].text)
        for place in evenly(len(examples), SAMPLES)
    )


def evenly(length: int, count: int | None) -> np.ndarray:
    """`count` places spread over a length; all of them without a count."""
    if count is None or count >= length:
        return np.arange(length)
    return np.linspace(0, length - 1, count).round().astype(int)


def write_evaluation(path: Path, evaluations: Sequence[TaskEvaluation], about: dict[str, object]) -> None:
    """All numbers as JSON, written whole or not at all; `about` says what was evaluated, and on what machine."""
    content = {"about": about, "tasks": [asdict(evaluation) for evaluation in evaluations]}
    part_path = path.with_suffix(".part")
    part_path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    os.replace(part_path, path)
