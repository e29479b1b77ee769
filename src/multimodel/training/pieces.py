"""A batch in pieces, for memory that does not hold it whole: the sum of their gradients is the batch's."""

from __future__ import annotations

import torch

from multimodel.batch import Batch

CPU_WORDS = ("can't allocate memory", "not enough memory")


def out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether this is how torch, on a GPU or on a CPU, or numpy says that memory was short."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in CPU_WORDS)


def pieces(batch: Batch, count: int) -> list[Batch]:
    """The batch in at most so many pieces, none empty."""
    size = -(-len(batch) // count)
    return [part(batch, slice(start, start + size)) for start in range(0, len(batch), size)]


def part(batch: Batch, rows: slice) -> Batch:
    """Some of a batch's examples, as long as they were."""
    return batch.each(lambda tensor: tensor[rows])
