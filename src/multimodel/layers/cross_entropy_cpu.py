"""Smoothed cross-entropy as one operation on a CPU: logits come from memory once forwards, and once backwards."""

from __future__ import annotations

from typing import Any, cast, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from multimodel.layers.kernels_cpu import CHUNKS, Threaded, array, exponential, highest, kernel, part


def cross_entropy(
    logits: Float[Tensor, "*n v"], labels: Int[Tensor, " *n"], extra: float, elsewhere: float
) -> Float[Tensor, " *n"]:
    """Against a target of `elsewhere` on every class and `extra` more on the label."""
    loss = _CrossEntropy.apply(logits.contiguous(), labels.contiguous(), extra, elsewhere)  # type: ignore[no-untyped-call]
    return cast("Tensor", loss)


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _row_forward(row, label, extra, elsewhere):
    """The loss of one row, and ln Σ eˣ; no numbers where one of the row is none."""
    total, exponentials = np.float32(0), np.float32(0)
    for c in range(row.shape[0]):
        total += row[c]
    most = highest(row)
    for c in range(row.shape[0]):
        exponentials += exponential(row[c] - most)
    normaliser = most + np.log(exponentials)
    loss = extra * (normaliser - row[label])
    if elsewhere > 0:
        loss += elsewhere * (np.float32(row.shape[0]) * normaliser - total)
    return loss, normaliser


@kernel
@no_type_check
def _row_backward(slope, row, label, extra, elsewhere, normaliser, out):
    """The gradient of one row's logits: nothing where the loss has none."""
    if slope == 0:
        out[:] = 0
        return
    for c in range(row.shape[0]):
        out[c] = (exponential(row[c] - normaliser) - elsewhere) * slope
    out[label] -= extra * slope


@Threaded
@no_type_check
def _forward(logits, labels, extra, elsewhere, normalisers, out):
    """Fill in each row's loss, and the logarithm of its sum of exponentials."""
    for chunk in prange(CHUNKS):
        first, last = part(chunk, len(logits))
        for n in range(first, last):
            out[n], normalisers[n] = _row_forward(logits[n], labels[n], extra, elsewhere)


@Threaded
@no_type_check
def _backward(gradient, logits, labels, extra, elsewhere, normalisers, out):
    """Fill in the gradients of the logits."""
    for chunk in prange(CHUNKS):
        first, last = part(chunk, len(logits))
        for n in range(first, last):
            _row_backward(gradient[n], logits[n], labels[n], extra, elsewhere, normalisers[n], out[n])


class _CrossEntropy(torch.autograd.Function):
    """Keeps the logits themselves for the way back."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, extra: float, elsewhere: float) -> Tensor:
        normalisers, out = (logits.new_empty(labels.shape) for _ in range(2))
        shares = np.float32(extra), np.float32(elsewhere)
        _forward(_rows(logits), array(labels.flatten()), *shares, array(normalisers.flatten()), array(out.flatten()))
        ctx.save_for_backward(logits, labels, normalisers)
        ctx.shares = shares
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        logits, labels, normalisers = ctx.saved_tensors
        out = torch.empty_like(logits)
        slopes, rows, marks = array(gradient.flatten()), _rows(logits), array(labels.flatten())
        _backward(slopes, rows, marks, *ctx.shares, array(normalisers.flatten()), _rows(out))
        return out, None, None, None


def _rows(x: Float[Tensor, "*n v"]) -> np.ndarray:
    """All rows one after another."""
    return array(x.view(-1, x.shape[-1]))
