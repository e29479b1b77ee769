"""A product of two matrices whose factors are rounded to bfloat16, on a CPU; its sums are float32."""

from __future__ import annotations

from typing import Any, cast, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor

from multimodel.layers.kernels_cpu import (
    CHUNKS,
    Threaded,
    array,
    multiply,
    multiply_transposed,
    one_thread,
    store_all,
    transposed_multiply,
)


def product(x: Float[Tensor, "n d"], weight: Float[Tensor, "f d"]) -> Float[Tensor, "n f"]:
    """`x · weightᵀ`."""
    return cast("Tensor", _Product.apply(x.contiguous(), weight.contiguous()))  # type: ignore[no-untyped-call]


@Threaded
@no_type_check
def _round(x, out):
    """Rows to bfloat16."""
    for chunk in prange(CHUNKS):
        rows = slice(chunk * len(x) // CHUNKS, (chunk + 1) * len(x) // CHUNKS)
        store_all(x[rows], out[rows])


@Threaded
@no_type_check
def _forward(x, weight, out):
    """A part of the features in each thread."""
    for chunk in prange(CHUNKS):
        one_thread()
        own = slice(chunk * len(weight) // CHUNKS, (chunk + 1) * len(weight) // CHUNKS)
        multiply_transposed(x, weight[own], out[:, own])


@Threaded
@no_type_check
def _backward(gradient, x, weight, of_x, of_weight):
    """A part of the rows, then of the features, in each thread."""
    for chunk in prange(CHUNKS):
        one_thread()
        own = slice(chunk * len(x) // CHUNKS, (chunk + 1) * len(x) // CHUNKS)
        multiply(gradient[own], weight, of_x[own])
    for chunk in prange(CHUNKS):
        one_thread()
        own = slice(chunk * len(weight) // CHUNKS, (chunk + 1) * len(weight) // CHUNKS)
        transposed_multiply(gradient[:, own], x, of_weight[own])


def _rounded(x: Tensor) -> np.ndarray:
    """The bits of bfloat16."""
    out = np.empty(x.shape, np.uint16)
    _round(array(x), out)
    return out


class _Product(torch.autograd.Function):
    """The product and its two gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        out = x.new_empty(len(x), len(weight))
        ctx.kept = _rounded(x), _rounded(weight)
        _forward(*ctx.kept, array(out))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.kept
        of_x, of_weight = gradient.new_empty(x.shape), gradient.new_empty(weight.shape)
        _backward(_rounded(gradient.contiguous()), x, weight, array(of_x), array(of_weight))
        return of_x, of_weight
