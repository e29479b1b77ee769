"""A product of two matrices whose factors are rounded to bfloat16, on a CPU; its sums are float32."""

from __future__ import annotations

from typing import Any, cast, no_type_check

import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from multimodel.layers.kernels_cpu import (
    CHUNKS,
    Threaded,
    array,
    multiply,
    multiply_transposed,
    one_thread,
    part,
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
        first, last = part(chunk, len(x))
        rows = slice(first, last)
        store_all(x[rows], out[rows])


@Threaded
@no_type_check
def _forward(x, weight, out):
    """A part of the features in each thread."""
    for chunk in prange(CHUNKS):
        one_thread()
        first, last = part(chunk, len(weight))
        own = slice(first, last)
        multiply_transposed(x, weight[own], out[:, own])


@Threaded
@no_type_check
def _backward(gradient, x, weight, of_x, of_weight):
    """A part of the rows, then of the features, in each thread."""
    for chunk in prange(CHUNKS):
        one_thread()
        first, last = part(chunk, len(x))
        own = slice(first, last)
        multiply(gradient[own], weight, of_x[own])
    for chunk in prange(CHUNKS):
        one_thread()
        first, last = part(chunk, len(weight))
        own = slice(first, last)
        transposed_multiply(gradient[:, own], x, of_weight[own])


def _factors(x: Tensor) -> Tensor:
    """As bfloat16."""
    out = torch.empty_like(x, dtype=torch.bfloat16)
    _round(array(x), array(out))
    return out


class _Product(torch.autograd.Function):
    """The product and its two gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        out, rounded = x.new_empty(len(x), len(weight)), (_factors(x), _factors(weight))
        _forward(*map(array, rounded), array(out))
        ctx.save_for_backward(*rounded)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = gradient.new_empty(x.shape), gradient.new_empty(weight.shape)
        _backward(*map(array, (_factors(gradient.contiguous()), x, weight, of_x, of_weight)))
        return of_x, of_weight
