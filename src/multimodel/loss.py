"""The training loss: label-smoothed cross-entropy per symbol, in nats (authors' code)."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from multimodel.layers.paths import compiled


def smoothed_cross_entropy(
    logits: Float[Tensor, "*n v"], labels: Int[Tensor, " *n"], smoothing: float
) -> Float[Tensor, " *n"]:
    """Cross-entropy against 1 − s on the label and s/(v − 1) on each other symbol, minus that target's entropy.

    It is 0 for a perfect prediction; with `smoothing` 0 it is the negative log-likelihood.
    """
    others = logits.shape[-1] - 1
    smoothing = smoothing if others else 0.0
    entropy = -(1 - smoothing) * math.log(1 - smoothing)
    if smoothing:
        entropy -= smoothing * math.log(smoothing / others)
    elsewhere = smoothing / max(others, 1)
    return _cross_entropy(logits.float(), labels, 1 - smoothing - elsewhere, elsewhere) - entropy


def _cross_entropy(
    logits: Float[Tensor, "*n v"], labels: Int[Tensor, " *n"], extra: float, elsewhere: float
) -> Float[Tensor, " *n"]:
    if compiled(logits):
        from multimodel.layers import cross_entropy_cpu  # numba takes a second to import

        return cross_entropy_cpu.cross_entropy(logits, labels, extra, elsewhere)
    return cast("Tensor", _CrossEntropy.apply(logits, labels, extra, elsewhere))  # type: ignore[no-untyped-call]


class _CrossEntropy(torch.autograd.Function):
    """Against a target of `elsewhere` on every class and `extra` more on the label.

    As one operation, its gradient is made in three passes over the logits, where autograd takes eight.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, extra: float, elsewhere: float) -> Tensor:
        chances = logits.log_softmax(-1)
        ctx.save_for_backward(chances, labels)
        ctx.extra, ctx.elsewhere = extra, elsewhere
        loss = -extra * chances.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
        return loss - elsewhere * chances.sum(-1) if elsewhere else loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        chances, labels = ctx.saved_tensors
        of_logits = chances.exp().sub_(ctx.elsewhere)
        of_logits.scatter_add_(-1, labels.unsqueeze(-1), of_logits.new_full((), -ctx.extra).expand(*labels.shape, 1))
        return of_logits.mul_(gradient.unsqueeze(-1)), None, None, None
