"""A trained model in use: load a run, ask it a task."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from multimodel.batch import Batch
from multimodel.decoding import beam, classes
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.sources.wording import LONGEST_WORD, one_line, shown
from multimodel.tasks.task import Task
from multimodel.training import checkpoint
from multimodel.training.kinds import KINDS, Kinds
from multimodel.trees import from_symbols, separate_marks, write_tree

MOST_BEAMS = 64  # each is one more example in the batch of every step


class Answer(NamedTuple):
    """What the model wrote, and, where it chose among classes, all of them with their probabilities, best first."""

    text: str
    ranked: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class TrainedModel:
    """A model with the tasks it was trained on; make one with `multimodel.load(RUN)`."""

    model: MultiModel
    tasks: dict[str, Task]

    def predict(self, task: str, value: str, *, beams: int = 1) -> str:
        """The answer to a text, or to the image or audio file of that path.

        Raises `InputError`, one sentence, for an unknown task and for input that the task cannot read.
        """
        return self.answer(task, value, beams=beams).text

    def answer(self, task: str, value: str, *, beams: int = 1) -> Answer:
        """As `predict`, with the ranking of classes."""
        known = self.task(task)
        if not 1 <= beams <= MOST_BEAMS:
            raise InputError(f"A search needs at least 1 beam, not {shown(beams)}, and has {MOST_BEAMS} at most.")
        if isinstance(value, Path):
            value = str(value)
        if not isinstance(value, str):
            raise InputError(f"The input is {type(value).__name__}: give a text, or the path of a file as text.")
        raw = known.input.read(separate_marks(value) if known.measure == "tree" else value)
        return answers(self.model, known, [raw], beams=beams)[0]

    def task(self, name: str) -> Task:
        """The task of that name; raises `InputError` naming those there are."""
        if name not in self.tasks:
            raise InputError(f"This model has no task {shown(name)}: it knows {', '.join(self.tasks)}.")
        return self.tasks[name]


def load(run: str | Path, device: str | torch.device = "cpu", kinds: Kinds = KINDS) -> TrainedModel:
    """The newest checkpoint of a run folder (or a checkpoint's own folder), ready to predict.

    A run on further kinds of data needs to be told these again.
    """
    folder = Path(run)
    if not os.path.isdir(folder):
        raise InputError(
            f"{one_line(str(run), LONGEST_WORD)} is not a folder: give the one that `multimodel train … --out` wrote."
        )
    newest = checkpoint.latest(folder)
    config = checkpoint.load_config(newest, kinds)
    model = checkpoint.load_model(newest, config)
    return TrainedModel(model.to(device).eval(), {task.name: task for task in config.tasks})


def answers(model: MultiModel, task: Task, raws: Sequence[Any], *, beams: int = 1) -> list[Answer]:
    """Answers to raw inputs, all in one batch."""
    inputs, mask = task.input.collate([task.input.encode(raw) for raw in raws])
    nothing = torch.zeros(len(raws), 1, dtype=torch.long)
    batch = Batch(
        task=task.name,
        route=task.route,
        inputs=inputs,
        input_mask=mask,
        targets=nothing,
        target_mask=nothing.bool(),
    ).to(next(model.parameters()).device)
    return batch_answers(model, task, batch, raws, beams=beams)


@torch.no_grad()
def batch_answers(model: MultiModel, task: Task, batch: Batch, raws: Sequence[Any], *, beams: int = 1) -> list[Answer]:
    """Answers to a batch, whose raw inputs put the words back into trees."""
    if task.measure == "class":
        order, probabilities = classes(model, batch)
        return [ranked(task, *row) for row in zip(order.tolist(), probabilities.tolist(), strict=True)]
    longest: int | None = task.output.to_json().get("max_length")  # in training, where its kind of data has a limit
    least = 0 if task.input.spec.kind == "text" else longest or 0  # only a text's length says how much to write
    written = beam(model, batch, beams, longest, least).symbols
    return [Answer(readable(task, best[0], raw), ()) for best, raw in zip(written, raws, strict=True)]


def ranked(task: Task, order: list[int], probabilities: list[float]) -> Answer:
    """Class names, likeliest first."""
    names = [(task.output.decode([number]), chance) for number, chance in zip(order, probabilities, strict=True)]
    return Answer(names[0][0], tuple(names))


def readable(task: Task, symbols: Sequence[int], raw: Any) -> str:
    """Symbols as text; a tree gets the words of its sentence back."""
    written = task.output.decode(symbols)
    return write_tree(from_symbols(written, raw.split())) if task.measure == "tree" else written
