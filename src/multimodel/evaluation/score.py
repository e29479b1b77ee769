"""Teacher-forced scores on held-out data, with true and with shuffled inputs (paper, tables 1 to 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from multimodel.batch import Batch
from multimodel.metrics.symbols import SymbolScore
from multimodel.model import MultiModel
from multimodel.tasks.batching import collate, evaluation_batches
from multimodel.tasks.encoded import Encoded
from multimodel.tasks.task import Task

EVALUATION_COST, EVALUATION_EXAMPLES = 4096, 128


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Scores of every example, in the order of the encoded split, and the gates' sums per mixture layer."""

    nats: np.ndarray
    right: np.ndarray
    symbols: np.ndarray
    importance: tuple[np.ndarray, ...]

    @property
    def total(self) -> SymbolScore:
        """All examples together."""
        return SymbolScore(float(self.nats.sum()), int(self.right.sum()), int(self.symbols.sum()))


@torch.no_grad()
def score(model: MultiModel, task: Task, encoded: Encoded) -> Scored:
    """Log-likelihood and accuracy of every example, each symbol given the true ones before it."""
    model.eval()
    nats, right, symbols = (np.zeros(len(encoded)) for _ in range(3))
    importance: list[np.ndarray] = []
    for indices, batch in batches(task, encoded, next(model.parameters()).device):
        output = model(batch)
        lost, hit = per_symbol(output.logits, batch)
        nats[indices] = lost.sum(1).cpu().numpy()
        right[indices] = hit.sum(1).cpu().numpy()
        symbols[indices] = batch.target_mask.sum(1).cpu().numpy()
        uses = [use.importance.cpu().numpy() for use in output.use]
        importance = [a + b for a, b in zip(importance, uses, strict=True)] if importance else uses
    return Scored(nats=nats, right=right, symbols=symbols, importance=tuple(importance))


def batches(task: Task, encoded: Encoded, device: torch.device) -> Iterator[tuple[np.ndarray, Batch]]:
    """Every example once, with its place in the split."""
    for indices in evaluation_batches(encoded, EVALUATION_COST, EVALUATION_EXAMPLES):
        yield indices, collate(task, encoded, indices).to(device)


def per_symbol(logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Nats lost and 1 where the likeliest symbol was right, (b, t), 0 at padding."""
    lost = F.cross_entropy(logits.float().transpose(1, 2), batch.targets, reduction="none")
    hit = (logits.argmax(-1) == batch.targets) & batch.target_mask
    return lost * batch.target_mask, hit


def gap(true: Scored, shuffled: Scored) -> tuple[float, float]:
    """How many nats per symbol the true input saves, and the standard error of that over examples (ratio estimate)."""
    saved, symbols = shuffled.nats - true.nats, true.symbols
    mean = saved.sum() / symbols.sum()
    residual = saved - mean * symbols
    error = np.sqrt((residual**2).sum()) / symbols.sum()
    return float(mean), float(error)
