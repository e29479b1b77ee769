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
from torch.autograd.function import once_differentiable

from multimodel.layers.kernels_cpu import (
    CHUNKS,
    Threaded,
    add_bias,
    add_rows,
    array,
    exponential,
    factor_type,
    highest,
    kernel,
    multiply,
    multiply_transposed,
    one_thread,
    part,
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
    tensors = (
        target.contiguous(),
        source.contiguous(),
        real.expand(source.shape[:2]).contiguous(),
        *attention.parameters(),
    )
    return cast("Tensor", _Attend.apply(sizes, *tensors))  # type: ignore[no-untyped-call]


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _project(x, weight, bias, factor, out):
    """out = x · weightᵀ + bias; `factor` is filled with x."""
    store_all(x, factor)
    multiply_transposed(factor, weight, out)
    add_bias(bias, out)


@kernel
@no_type_check
def softmax(scores, real, causal, scale):
    """Scores to probabilities, in place: of what is real, and not after the position itself if `causal`."""
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
        share = np.float32(1) / total if total > 0 else np.float32(0)  # none where nothing is real
        for s in range(seen):
            row[s] *= share
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
def _forward_some(first, last, inputs, real, heads, causal, weights, biases, factors, kept, out):
    """The examples from `first` to before `last`."""
    target, source = inputs
    queries, memory, probabilities, attended = kept
    length, reach, width = probabilities.shape[2], probabilities.shape[3], target.shape[1]
    some, read = slice(first * length, last * length), slice(first * reach, last * reach)
    _project(target[some], weights[0], biases[0], factors[0][some], queries[some])
    _project(source[read], weights[1], biases[1], factors[1][read], memory[read])
    keys, values = memory[:, :width], memory[:, width:]
    size = width // heads
    scale = np.float32(1) / np.sqrt(np.float32(size))
    mixed = np.empty((length, width), np.float32)
    for b in range(first, last):
        own, sources = slice(b * length, (b + 1) * length), slice(b * reach, (b + 1) * reach)
        for head in range(heads):
            channels, scores = slice(head * size, (head + 1) * size), probabilities[b, head]
            multiply_transposed(queries[own, channels], keys[sources, channels], scores)
            softmax(scores, real[b], causal, scale)
            multiply(scores, values[sources, channels], mixed[:, channels])
        store_all(mixed, attended[own])
    multiply_transposed(attended[some], weights[2], out[some])
    add_bias(biases[2], out[some])


@Threaded
@no_type_check
def _forward(inputs, real, heads, causal, weights, biases, factors, kept, out):
    """Fill in factors of the projections, queries, keys and values, probabilities, answers before the last product."""
    for chunk in prange(CHUNKS):
        first, last = part(chunk, len(real))
        if first < last:
            one_thread()
            _forward_some(first, last, inputs, real, heads, causal, weights, biases, factors, kept, out)


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
    keys, values = memory[read, :width], memory[read, width:]
    of_keys, of_values = recalled[:, :width], recalled[:, width:]
    of_scores = np.empty((length, reach), np.float32)
    questions = queries[some]
    for b in range(last - first):
        own, sources = slice(b * length, (b + 1) * length), slice(b * reach, (b + 1) * reach)
        for head in range(heads):
            channels, shares = slice(head * size, (head + 1) * size), probabilities[first + b, head]
            multiply_transposed(of_mixed[own, channels], values[sources, channels], of_scores)
            transposed_multiply(shares, of_mixed[own, channels], of_values[sources, channels])
            _softmax_backward(shares, of_scores, scale)
            multiply(of_scores, keys[sources, channels], asked[own, channels])
            transposed_multiply(of_scores, questions[own, channels], of_keys[sources, channels])
    add_rows(asked, of_biases[:width])
    add_rows(recalled, of_biases[width : 3 * width])
    add_rows(gradient[some], of_biases[3 * width :])
    store_all(asked, of_queries[some])
    store_all(recalled, of_memory[read])
    multiply(of_queries[some], weights[0], of_target[some])
    multiply(of_memory[read], weights[1], of_source[read])


@Threaded
@no_type_check
def _backward(gradient, examples, heads, weights, factors, kept, slopes, of_weights, of_biases, of_target, of_source):
    """Fill in all gradients; those of biases are a part for each chunk."""
    for chunk in prange(CHUNKS):
        first, last = part(chunk, examples)
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
        (batch, length, width), reach, number = target.shape, source.shape[1], factor_type(target)
        weights, biases = torch.cat(parameters[::2]).to(number), torch.cat(parameters[1::2])
        rounded = torch.empty_like(target, dtype=number), torch.empty_like(source, dtype=number)
        queries, attended = torch.empty_like(target), torch.empty_like(target, dtype=number)
        memory = source.new_empty(batch, reach, 2 * width)
        kept = queries, memory, target.new_empty(batch, heads, length, reach), attended
        out = torch.empty_like(target)
        rows = _rows(target, source), array(real), heads, causal
        _forward(*rows, _thirds(weights), _thirds(biases), _rows(*rounded), _kept(*kept), *_rows(out))
        ctx.save_for_backward(weights, *rounded, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, target, source, *kept = ctx.saved_tensors
        (batch, heads, _, _), gradient = kept[2].shape, gradient.contiguous()
        slopes = (torch.empty_like(x, dtype=weights.dtype) for x in (kept[0], kept[1], kept[3]))
        of_weights, of_biases = gradient.new_empty(weights.shape), gradient.new_empty(CHUNKS, len(weights))
        of_target, of_source = gradient.new_empty(target.shape), gradient.new_empty(source.shape)
        inputs = *_rows(gradient), batch, heads, _thirds(weights), _rows(target, source), _kept(*kept)
        _backward(*inputs, _rows(*slopes), array(of_weights), array(of_biases), *_rows(of_target, of_source))
        found = zip(of_weights.chunk(4), of_biases.sum(0).chunk(4), strict=True)
        return None, of_target, of_source, None, *(of_part for pair in found for of_part in pair)


def _rows(*tensors: Float[Tensor, "b _ _"]) -> tuple[np.ndarray, ...]:
    """The positions of all examples one after another."""
    return tuple(array(x.flatten(0, 1)) for x in tensors)


def _thirds(x: Float[Tensor, "four_d ..."]) -> tuple[np.ndarray, ...]:
    """What belongs to queries, to keys and values, and to the output."""
    width = len(x) // 4
    return array(x[:width]), array(x[width : 3 * width]), array(x[3 * width :])


def _kept(queries: Tensor, memory: Tensor, probabilities: Tensor, attended: Tensor) -> tuple[np.ndarray, ...]:
    """Arrays of what is kept for the way back."""
    return *_rows(queries, memory), array(probabilities), *_rows(attended)
