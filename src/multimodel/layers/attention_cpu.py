"""Multi-head attention as one operation, on a CPU: each thread attends in other examples, a head at a time.

A head's scores stay in the cache between its two products. Its probabilities are kept for the way back. Factors of
the four projections are float32 or bfloat16, all else is float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, no_type_check

import numpy as np
import torch
from jaxtyping import Bool, Float
from numba import prange
from torch import Tensor

from multimodel.layers.kernels_cpu import (
    CHUNKS,
    Threaded,
    array,
    exponential,
    factors,
    highest,
    kernel,
    multiply,
    multiply_transposed,
    one_thread,
    store_all,
    transposed_multiply,
)

if TYPE_CHECKING:
    from multimodel.layers.attention import MultiHeadAttention


def attend(
    attention: MultiHeadAttention,
    target: Float[Tensor, "b t d"],
    source: Float[Tensor, "b s d"],
    mask: Bool[Tensor, "b s"] | None,
    *,
    causal: bool,
) -> Float[Tensor, "b t d"]:
    """Each target position attends to the source, where `mask` is set, and not to its future if `causal`."""
    real = source.new_ones(source.shape[:2], dtype=torch.bool) if mask is None else mask.contiguous()
    sizes = attention.heads, causal
    tensors = target.contiguous(), source.contiguous(), real, *attention.parameters()
    return cast("Tensor", _Attend.apply(sizes, *tensors))  # type: ignore[no-untyped-call]


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _project(x, weight, bias, factor, out):
    """out = x · weightᵀ + bias; `factor` is filled with x."""
    store_all(x, factor)
    multiply_transposed(factor, weight, out)
    for t in range(out.shape[0]):
        row = out[t]
        for c in range(row.shape[0]):
            row[c] += bias[c]


@kernel
@no_type_check
def _softmax(scores, real, causal, scale):
    """Scores to probabilities, in place."""
    for t in range(scores.shape[0]):
        row = scores[t]
        seen = min(t + 1, row.shape[0]) if causal else row.shape[0]
        total = np.float32(0)
        for s in range(seen):
            row[s] = row[s] * scale if real[s] else np.float32(-np.inf)
        most = highest(row[:seen])
        for s in range(seen):
            row[s] = exponential(row[s] - most) if real[s] else np.float32(0)
            total += row[s]
        for s in range(seen):
            row[s] /= total
        row[seen:] = 0


@kernel
@no_type_check
def _softmax_backward(probabilities, gradient, scale):
    """From the gradient of probabilities to that of scores, in place."""
    for t in range(gradient.shape[0]):
        slopes, row = gradient[t], probabilities[t]
        along = np.float32(0)
        for s in range(row.shape[0]):
            along += slopes[s] * row[s]
        for s in range(row.shape[0]):
            slopes[s] = row[s] * (slopes[s] - along) * scale


@kernel
@no_type_check
def _forward_some(first, last, target, source, real, heads, causal, weights, biases, factors, kept, out):
    """The examples from `first` to before `last`."""
    queries, memory, probabilities, attended = kept
    length, reach, width = probabilities.shape[2], probabilities.shape[3], target.shape[1]
    some, read = slice(first * length, last * length), slice(first * reach, last * reach)
    _project(target[some], weights[0], biases[0], factors[0][some], queries[some])
    _project(source[read], weights[1], biases[1], factors[1][read], memory[read])
    size = width // heads
    scale = np.float32(1) / np.sqrt(np.float32(size))
    mixed = np.empty((length, width), np.float32)
    for b in range(first, last):
        own, sources = slice(b * length, (b + 1) * length), slice(b * reach, (b + 1) * reach)
        for head in range(heads):
            channels, values = (
                slice(head * size, (head + 1) * size),
                slice(width + head * size, width + (head + 1) * size),
            )
            scores = probabilities[b, head]
            multiply_transposed(queries[own, channels], memory[sources, channels], scores)
            _softmax(scores, real[b], causal, scale)
            multiply(scores, memory[sources, values], mixed[:, channels])
        store_all(mixed, attended[own])
    multiply_transposed(attended[some], weights[2], out[some])
    for t in range(first * length, last * length):
        out[t] += biases[2]


@Threaded
@no_type_check
def _forward(target, source, real, heads, causal, weights, biases, factors, kept, out):
    """Fill in factors of the projections, queries, keys and values, probabilities, answers before the last product."""
    for chunk in prange(CHUNKS):
        first, last = chunk * len(real) // CHUNKS, (chunk + 1) * len(real) // CHUNKS
        if first < last:
            one_thread()
            _forward_some(first, last, target, source, real, heads, causal, weights, biases, factors, kept, out)


@kernel
@no_type_check
def _backward_some(first, last, gradient, heads, weights, kept, slopes, of_biases, of_target, of_source):
    """The examples from `first` to before `last`; gradients of biases are added to what is there."""
    queries, memory, probabilities, _ = kept
    of_queries, of_memory, of_out = slopes
    length, reach, width = probabilities.shape[2], probabilities.shape[3], of_target.shape[1]
    some, read = slice(first * length, last * length), slice(first * reach, last * reach)
    size = width // heads
    scale = np.float32(1) / np.sqrt(np.float32(size))
    of_mixed = np.empty((length * (last - first), width), np.float32)
    store_all(gradient[some], of_out[some])
    multiply(of_out[some], weights[2], of_mixed)
    asked, recalled = np.empty_like(of_mixed), np.empty((reach * (last - first), 2 * width), np.float32)
    of_scores = np.empty((length, reach), np.float32)
    for b in range(first, last):
        own, sources = slice(b * length, (b + 1) * length), slice(b * reach, (b + 1) * reach)
        local, there = (
            slice((b - first) * length, (b - first + 1) * length),
            slice((b - first) * reach, (b - first + 1) * reach),
        )
        for head in range(heads):
            channels, values = (
                slice(head * size, (head + 1) * size),
                slice(width + head * size, width + (head + 1) * size),
            )
            multiply_transposed(of_mixed[local, channels], memory[sources, values], of_scores)
            transposed_multiply(probabilities[b, head], of_mixed[local, channels], recalled[there, values])
            _softmax_backward(probabilities[b, head], of_scores, scale)
            multiply(of_scores, memory[sources, channels], asked[local, channels])
            transposed_multiply(of_scores, queries[own, channels], recalled[there, channels])
    for t in range(len(asked)):
        of_biases[:width] += asked[t]
        of_biases[3 * width :] += gradient[first * length + t]
    for t in range(len(recalled)):
        of_biases[width : 3 * width] += recalled[t]
    store_all(asked, of_queries[some])
    store_all(recalled, of_memory[read])
    multiply(of_queries[some], weights[0], of_target[some])
    multiply(of_memory[read], weights[1], of_source[read])


@Threaded
@no_type_check
def _backward(gradient, examples, heads, weights, factors, kept, slopes, of_weights, of_biases, of_target, of_source):
    """Fill in all gradients; those of biases are a part for each chunk."""
    for chunk in prange(CHUNKS):
        first, last = chunk * examples // CHUNKS, (chunk + 1) * examples // CHUNKS
        of_biases[chunk, :] = 0
        if first < last:
            one_thread()
            _backward_some(first, last, gradient, heads, weights, kept, slopes, of_biases[chunk], of_target, of_source)
    width = of_target.shape[1]
    for task in prange(4):
        one_thread()
        own = slice(task * width, (task + 1) * width)
        if task == 0:
            transposed_multiply(slopes[0], factors[0], of_weights[own])
        elif task == 3:
            transposed_multiply(slopes[2], kept[3], of_weights[own])
        else:
            transposed_multiply(slopes[1][:, (task - 1) * width : task * width], factors[1], of_weights[own])


class _Attend(torch.autograd.Function):
    """`parameters` are weight and bias of query, key, value and output."""

    @staticmethod
    def forward(
        ctx: Any, sizes: tuple[int, bool], target: Tensor, source: Tensor, real: Tensor, *parameters: Tensor
    ) -> Tensor:
        heads, causal = sizes
        (batch, length, width), reach = target.shape, source.shape[1]
        every, biases = factors(torch.cat(parameters[::2])), array(torch.cat(parameters[1::2]))
        weights = every[:width], every[width : 3 * width], every[3 * width :]
        rows, read = array(target.view(-1, width)), array(source.view(-1, width))
        read_factors = np.empty(rows.shape, every.dtype), np.empty(read.shape, every.dtype)
        kept = (
            np.empty_like(rows),
            np.empty((len(read), 2 * width), np.float32),
            np.empty((batch, heads, length, reach), np.float32),
            np.empty(rows.shape, every.dtype),
        )
        out = torch.empty_like(target)
        added = biases[:width], biases[width : 3 * width], biases[3 * width :]
        _forward(rows, read, array(real), heads, causal, weights, added, read_factors, kept, array(out.view(-1, width)))
        ctx.kept = batch, heads, weights, read_factors, kept
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        batch, heads, weights, read_factors, kept = ctx.kept
        width, reach, number = gradient.shape[2], kept[2].shape[3], weights[0].dtype
        slopes = np.empty(kept[0].shape, number), np.empty(kept[1].shape, number), np.empty(kept[3].shape, number)
        of_weights, of_biases = torch.empty(4 * width, width), torch.empty(CHUNKS, 4 * width)
        of_target, of_source = torch.empty_like(gradient), gradient.new_empty(batch, reach, width)
        rows = (array(x.view(-1, width)) for x in (of_target, of_source))
        inputs = array(gradient.contiguous().view(-1, width)), batch, heads, weights, read_factors, kept, slopes
        _backward(*inputs, array(of_weights), array(of_biases), *rows)
        found = zip(of_weights.chunk(4), of_biases.sum(0).chunk(4), strict=True)
        return None, of_target, of_source, None, *(part for pair in found for part in pair)
