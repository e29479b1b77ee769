"""A trained model in use: load a run, ask it a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from multimodel.batch import Batch
from multimodel.decoding import beam, classes
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.tasks.task import Task
from multimodel.training import checkpoint
from multimodel.training.kinds import KINDS, Kinds
from multimodel.trees import from_symbols, separate_marks, write_tree


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
        if beams < 1:
            raise InputError(f"A search needs at least 1 beam, not {beams}.")
        raw = known.input.read(separate_marks(value) if known.measure == "tree" else value)
        return answers(self.model, known, [raw], beams=beams)[0]

    def task(self, name: str) -> Task:
        """The task of that name; raises `InputError` naming those there are."""
        if name not in self.tasks:
            raise InputError(f"This model has no task {name!r}: it knows {', '.join(self.tasks)}.")
        return self.tasks[name]


def load(run: str | Path, device: str | torch.device = "cpu", kinds: Kinds = KINDS) -> TrainedModel:
    """The newest checkpoint of a run folder (or a checkpoint's own folder), ready to predict.

    A run on further kinds of data needs to be told these again.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise InputError(f"{run} is not a folder: give the one that `multimodel train … --out` wrote.")
    newest = folder if (folder / checkpoint.CONFIG).is_file() else checkpoint.latest(folder)
    config = checkpoint.load_config(newest, kinds)
    model = config.build()
    checkpoint.load_weights(newest, model)
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
    written = beam(model, batch, beams).symbols
    return [Answer(readable(task, best[0], raw), ()) for best, raw in zip(written, raws, strict=True)]


def ranked(task: Task, order: list[int], probabilities: list[float]) -> Answer:
    """Class names, likeliest first."""
    names = [(task.output.decode([number]), chance) for number, chance in zip(order, probabilities, strict=True)]
    return Answer(names[0][0], tuple(names))


def readable(task: Task, symbols: Sequence[int], raw: Any) -> str:
    """Symbols as text; a tree gets the words of its sentence back."""
    written = task.output.decode(symbols)
    return write_tree(from_symbols(written, raw.split())) if task.measure == "tree" else written
