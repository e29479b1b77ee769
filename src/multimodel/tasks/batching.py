"""Batches of examples of like length: which examples stand together is a pure function of seed and epoch."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from multimodel.batch import Batch
from multimodel.tasks.encoded import Encoded
from multimodel.tasks.task import Task

JITTER = 0.05  # lengths are blurred by up to this share, so that each epoch groups the examples anew


def epoch_batches(
    input_costs: np.ndarray,
    output_lengths: np.ndarray,
    *,
    batch_cost: int,
    seed: int,
    epoch: int,
    task: str,
    batch_examples: int | None = None,
) -> list[np.ndarray]:
    """The batches of one epoch, each the indices of its examples, in the order of training.

    Every example stands in exactly one batch. The padded cost of a batch, its size times its longest input and longest
    output, is at most `batch_cost`, unless a single example is larger. Equal arguments give equal batches.
    """
    random = np.random.default_rng([seed, epoch, _number(task)])
    order = _by_length(input_costs, output_lengths, batch_cost, random)
    batches = _cut(order, input_costs, output_lengths, batch_cost, batch_examples)
    return [batches[position] for position in random.permutation(len(batches))]


def evaluation_batches(encoded: Encoded, batch_cost: int, batch_examples: int | None = None) -> list[np.ndarray]:
    """Every example once, in order of length."""
    order = np.lexsort((encoded.output_lengths, encoded.input_costs))
    return _cut(order, encoded.input_costs, encoded.output_lengths, batch_cost, batch_examples)


def collate(task: Task, encoded: Encoded, indices: Sequence[int] | np.ndarray) -> Batch:
    """The batch of these examples."""
    inputs, input_mask = task.input.collate([encoded.inputs[index] for index in indices])
    targets, target_mask = task.output.collate([encoded.outputs[index] for index in indices])
    return Batch(
        task=task.name,
        route=task.route,
        inputs=inputs,
        input_mask=input_mask,
        targets=targets,
        target_mask=target_mask,
    )


class Stream:
    """The endless sequence of a task's training batches; one integer says where in it training stands.

    With `share` (i, n) it gives every n-th example of each batch, from the i-th: n such streams are one without.
    """

    def __init__(
        self,
        task: Task,
        encoded: Encoded,
        *,
        batch_cost: int,
        seed: int,
        batch_examples: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.task = task
        self.encoded = encoded
        self.batch_cost = batch_cost
        self.seed = seed
        self.batch_examples = batch_examples
        self.share = share
        self._starts = [0]  # position of each epoch's first batch; epochs may differ in their number of batches
        self._plan: tuple[int, list[np.ndarray]] = (-1, [])

    def batch(self, position: int) -> Batch:
        """The batch at `position`, counted from 0 through all epochs.

        A share without examples is one example without targets: it costs little, and every share is a batch.
        """
        epoch, start = self._find(position)
        examples = self.plan(epoch)[position - start]
        first, step = self.share
        own = collate(self.task, self.encoded, examples[first::step] if first < len(examples) else examples[:1])
        return own if first < len(examples) else replace(own, target_mask=torch.zeros_like(own.target_mask))

    def rows(self, position: int) -> np.ndarray:
        """Where in the task's examples those of the batch at `position` stand, in its order, (b,)."""
        epoch, start = self._find(position)
        return self.encoded.rows[self.plan(epoch)[position - start]]

    def drawn(self, position: int, count: int) -> str:
        """A digest of which examples are in so many batches from `position` on, in their order."""
        rows = [self.rows(position + index).astype("<i8").tobytes() for index in range(count)]
        return hashlib.blake2b(b"|".join(rows), digest_size=8).hexdigest()

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The batches of one epoch; the last plan asked for is kept."""
        if self._plan[0] != epoch:
            batches = epoch_batches(
                self.encoded.input_costs,
                self.encoded.output_lengths,
                batch_cost=self.batch_cost,
                seed=self.seed,
                epoch=epoch,
                task=self.task.name,
                batch_examples=self.batch_examples,
            )
            self._plan = (epoch, batches)
        return self._plan[1]

    def _find(self, position: int) -> tuple[int, int]:
        """Epoch of a position and that epoch's first position; a jump ahead plans the epochs between, once."""
        while self._starts[-1] <= position:
            self._starts.append(self._starts[-1] + len(self.plan(len(self._starts) - 1)))
        epoch = bisect_right(self._starts, position) - 1
        return epoch, self._starts[epoch]


def _number(name: str) -> int:
    """A name as a number that is the same in every process, unlike `hash`."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def _by_length(
    input_costs: np.ndarray, output_lengths: np.ndarray, batch_cost: int, random: np.random.Generator
) -> np.ndarray:
    """An order in which neighbours are alike in both lengths: strips of like input, each sorted by output, in turns
    up and down so that strips meet at like outputs."""
    count = len(input_costs)
    blurred_inputs = input_costs * random.uniform(1 - JITTER, 1 + JITTER, count)
    blurred_outputs = output_lengths * random.uniform(1 - JITTER, 1 + JITTER, count)
    expected = max(1.0, float((input_costs + output_lengths).sum()) / batch_cost)
    strips = max(1, round(np.sqrt(expected)))
    by_input = np.argsort(blurred_inputs, kind="stable")
    pieces = []
    for number, strip in enumerate(np.array_split(by_input, strips)):
        by_output = strip[np.argsort(blurred_outputs[strip], kind="stable")]
        pieces.append(by_output if number % 2 == 0 else by_output[::-1])
    return np.concatenate(pieces)


def _cut(
    order: np.ndarray,
    input_costs: np.ndarray,
    output_lengths: np.ndarray,
    batch_cost: int,
    batch_examples: int | None,
) -> list[np.ndarray]:
    """Cut an order into the longest batches that stay within both limits."""
    starts, longest_input, longest_output = [0], 0, 0
    most = batch_examples or len(order)
    lengths = zip(input_costs[order].tolist(), output_lengths[order].tolist(), strict=True)
    for position, (cost, length) in enumerate(lengths):
        longest_input, longest_output = max(longest_input, cost), max(longest_output, length)
        size = position - starts[-1] + 1
        if size > 1 and (size > most or size * (longest_input + longest_output) > batch_cost):
            starts.append(position)
            longest_input, longest_output = cost, length
    return np.split(order, starts[1:])
