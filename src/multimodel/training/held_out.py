"""The loss on held-out examples while a run trains: what tells its best checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from multimodel.batch import Batch
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.tasks.batching import collate, evaluation_batches
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.task import DEV, Example, Split, Task
from multimodel.training.gradients import summed_loss
from multimodel.training.settings import TrainingSettings

DRAW = 2  # keeps this draw apart from others of the same seed


@dataclass(frozen=True)
class HeldOut:
    """A few fixed batches of each task that has held-out examples."""

    batches: Mapping[str, Sequence[Batch]]

    @torch.no_grad()
    def losses(self, model: MultiModel) -> dict[str, float]:
        """Nats per target symbol of each task, without label smoothing; none where one is no number.

        The model is in training again afterwards.
        """
        model.eval()
        device = next(model.parameters()).device
        found = {}
        for task, batches in self.batches.items():
            there = [batch.to(device) for batch in batches]
            nats = sum(float(summed_loss(model(batch).logits, batch, 0.0)) for batch in there)
            found[task] = nats / sum(batch.symbols for batch in batches)
        model.train()
        return found if all(map(math.isfinite, found.values())) else {}


def make_held_out(tasks: Sequence[Task], settings: TrainingSettings) -> HeldOut:
    """So many examples of each task's split `dev`, drawn by the seed; tasks without usable ones are left out."""
    found = {task.name: _batches(task, settings) for task in tasks if settings.held_out}
    return HeldOut({name: batches for name, batches in found.items() if batches})


def _batches(task: Task, settings: TrainingSettings) -> list[Batch]:
    examples = task.examples.get(DEV, ())
    random = np.random.default_rng([settings.seed, DRAW])
    drawn = random.permutation(len(examples))[: settings.held_out]
    some = replace(task, examples={DEV: tuple(_readable(examples, sorted(drawn.tolist())))})
    try:
        encoded = encode_examples(some, DEV, most_bad=1.0)
    except InputError:
        return []
    batches = evaluation_batches(encoded, settings.batch_cost, settings.batch_examples)
    return [collate(task, encoded, indices) for indices in batches]


def _readable(examples: Split, rows: Sequence[int]) -> Iterator[Example]:
    for row in rows:
        try:
            yield examples[row]
        except InputError:
            continue
