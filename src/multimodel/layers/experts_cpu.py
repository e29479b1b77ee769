"""The experts of a mixture as one operation, on a CPU: each thread has other rows of positions that ask one expert.

Factors of products are float32 or bfloat16, all else is float32. Of experts that nobody asks, no weight is read.
"""

from __future__ import annotations

from typing import Any, cast, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from multimodel.layers.kernels_cpu import (
    Threaded,
    array,
    factor_type,
    kernel,
    multiply,
    multiply_transposed,
    one_thread,
    store_all,
    transposed_multiply,
)

ROWS = 128  # at most, of one product


def mix(
    x: Float[Tensor, "n d"],
    chosen: Int[Tensor, "n k"],
    gates: Float[Tensor, "n k"],
    hidden: Float[Tensor, "e d f"],
    output: Float[Tensor, "e f d"],
) -> Float[Tensor, "n d"]:
    """Σ gate · expert(x) over the chosen experts of each position."""
    return cast("Tensor", _Mix.apply(x.contiguous(), chosen.contiguous(), gates.contiguous(), hidden, output))  # type: ignore[no-untyped-call]


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _sort(chosen, sources, places, starts):
    """The position in each row, the row of each choice, and the first row of each expert; rows sorted by expert."""
    starts[:] = 0
    for p in range(chosen.shape[0]):
        for i in range(chosen.shape[1]):
            starts[chosen[p, i] + 1] += 1
    for expert in range(len(starts) - 1):
        starts[expert + 1] += starts[expert]
    free = starts.copy()
    for p in range(chosen.shape[0]):
        for i in range(chosen.shape[1]):
            row = free[chosen[p, i]]
            sources[row], places[p, i] = p, row
            free[chosen[p, i]] += 1


@kernel
@no_type_check
def _pieces(starts):
    """Expert, first and last row of each piece of at most `ROWS` rows."""
    count = 0
    for expert in range(len(starts) - 1):
        count += (starts[expert + 1] - starts[expert] + ROWS - 1) // ROWS
    pieces = np.empty((count, 3), np.int64)
    count = 0
    for expert in range(len(starts) - 1):
        for first in range(starts[expert], starts[expert + 1], ROWS):
            pieces[count, 0], pieces[count, 1] = expert, first
            pieces[count, 2] = min(first + ROWS, starts[expert + 1])
            count += 1
    return pieces


@kernel
@no_type_check
def _keep_where(active, x):
    """x = 0 where `active` is not positive; what is no number stays none."""
    for row in range(len(x)):
        values, numbers = x[row], active[row]
        for c in range(values.shape[0]):
            values[c] = np.float32(0) if numbers[c] <= 0 else values[c]


@kernel
@no_type_check
def _answer(expert, first, last, x, sources, factors, kept):
    """Of one expert to some rows."""
    asked, inner, answers = kept
    rows = slice(first, last)
    gathered = np.empty((last - first, x.shape[1]), np.float32)
    for row in range(first, last):
        source, target = x[sources[row]], gathered[row - first]
        for c in range(target.shape[0]):
            target[c] = source[c]
    store_all(gathered, asked[rows])
    between = np.empty((last - first, inner.shape[1]), np.float32)
    multiply(asked[rows], factors[0][expert], between)
    _keep_where(between, between)
    store_all(between, inner[rows])
    multiply(inner[rows], factors[1][expert], answers[rows])


@Threaded
@no_type_check
def _round(weights, starts, factors):
    """The weights of experts that somebody asks, as factors."""
    for expert in prange(len(starts) - 1):
        if starts[expert] < starts[expert + 1]:
            store_all(weights[0][expert], factors[0][expert])
            store_all(weights[1][expert], factors[1][expert])


@Threaded
@no_type_check
def _forward(x, layout, factors, kept, out):
    """Fill in each expert's rows, what stands between its products, its answers; and the weighted sums of these."""
    gates, sources, places, starts = layout
    answers = kept[2]
    pieces = _pieces(starts)
    for piece in prange(len(pieces)):
        one_thread()
        expert, first, last = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2]
        _answer(expert, first, last, x, sources, factors, kept)
    for p in prange(len(x)):
        mixed = out[p]
        mixed[:] = 0
        for i in range(gates.shape[1]):
            gate, answer = gates[p, i], answers[places[p, i]]
            for c in range(mixed.shape[0]):
                mixed[c] += gate * answer[c]


@kernel
@no_type_check
def _answer_backward(expert, first, last, gradient, shares, sources, factors, inner, slopes):
    """From the gradients of the sums to those of one expert's rows; `shares` are the gates of all rows."""
    of_answers, of_inner, of_asked = slopes
    rows = slice(first, last)
    scaled = np.empty((last - first, gradient.shape[1]), np.float32)
    for row in range(first, last):
        slope, source, share = scaled[row - first], gradient[sources[row]], shares[row]
        for c in range(slope.shape[0]):
            slope[c] = share * source[c]
    store_all(scaled, of_answers[rows])
    between = np.empty((last - first, inner.shape[1]), np.float32)
    multiply_transposed(of_answers[rows], factors[1][expert], between)
    _keep_where(inner[rows], between)
    store_all(between, of_inner[rows])
    multiply_transposed(of_inner[rows], factors[0][expert], of_asked[rows])


@Threaded
@no_type_check
def _backward(gradient, layout, factors, kept, slopes, of_weights, of_x, of_gates):
    """Fill in all gradients."""
    gates, sources, places, starts = layout
    asked, inner, answers = kept
    of_answers, of_inner, of_asked = slopes
    pieces = _pieces(starts)
    shares = np.empty(len(sources), np.float32)
    for p in range(len(gates)):
        for i in range(gates.shape[1]):
            shares[places[p, i]] = gates[p, i]
    for piece in prange(len(pieces)):
        one_thread()
        expert, first, last = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2]
        _answer_backward(expert, first, last, gradient, shares, sources, factors, inner, slopes)
    for task in prange(2 * (len(starts) - 1)):
        expert, rows = task // 2, slice(starts[task // 2], starts[task // 2 + 1])
        one_thread()
        if starts[expert] == starts[expert + 1]:
            of_weights[task % 2][expert, :] = 0
        elif task % 2:
            transposed_multiply(inner[rows], of_answers[rows], of_weights[1][expert])
        else:
            transposed_multiply(asked[rows], of_inner[rows], of_weights[0][expert])
    for p in prange(len(gradient)):
        slope, total = gradient[p], of_x[p]
        total[:] = 0
        for i in range(gates.shape[1]):
            answer, added = answers[places[p, i]], of_asked[places[p, i]]
            along = np.float32(0)
            for c in range(total.shape[0]):
                along += slope[c] * answer[c]
                total[c] += added[c]
            of_gates[p, i] = along


class _Mix(torch.autograd.Function):
    """All of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chosen: Tensor, gates: Tensor, hidden: Tensor, output: Tensor) -> Tensor:
        rows, number = chosen.numel(), factor_type(x)
        sources, places = chosen.new_empty(rows), torch.empty_like(chosen)
        starts = chosen.new_empty(len(hidden) + 1)
        _sort(array(chosen), array(sources), array(places), array(starts))
        weights = hidden, output
        if number != x.dtype:
            weights = torch.empty_like(hidden, dtype=number), torch.empty_like(output, dtype=number)
            _round((array(hidden), array(output)), array(starts), tuple(map(array, weights)))
        asked, inner = (x.new_empty(rows, width, dtype=number) for width in hidden.shape[1:])
        layout, kept = (gates, sources, places, starts), (asked, inner, x.new_empty(rows, x.shape[1]))
        out = torch.empty_like(x)
        arrays = (tuple(map(array, tensors)) for tensors in (layout, weights, kept))
        _forward(array(x), *arrays, array(out))
        ctx.save_for_backward(*layout, *weights, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        layout, weights, kept = saved[:4], saved[4:6], saved[6:]
        slopes = tuple(torch.empty_like(rows) for rows in kept)
        of_weights = tuple(gradient.new_empty(weight.shape) for weight in weights)
        of_x, of_gates = gradient.new_empty(gradient.shape), torch.empty_like(layout[0])
        arrays = (tuple(map(array, tensors)) for tensors in (layout, weights, kept, slopes, of_weights))
        _backward(array(gradient.contiguous()), *arrays, array(of_x), array(of_gates))
        return of_x, None, of_gates, *of_weights
