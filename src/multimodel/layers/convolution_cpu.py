"""ConvSteps one after another as one operation, on a CPU: a few examples at a time go through all of them.

So what stands between two steps stays in the cache, and the threads, each with other examples, wait for each other
once. Backwards, normalised activations are computed again rather than kept. Channels are last, so innermost loops
become vector instructions. Factors of products are float32 or bfloat16, all else is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from multimodel.layers.depthwise import centre
from multimodel.layers.depthwise_cpu import add_tap_gradients, correlate, rectify, rectify_backward
from multimodel.layers.kernels_cpu import (
    CHUNKS,
    Threaded,
    add_all,
    array,
    factor_type,
    kernel,
    multiply,
    multiply_transposed,
    one_thread,
    part,
    store,
    store_all,
    transposed_multiply,
)

if TYPE_CHECKING:
    from multimodel.layers.convolution import ConvStep

PARTS = 2  # of a weight's gradient, so that threads share it


def conv_steps(
    x: Float[Tensor, "b t d"],
    mask: Float[Tensor, "b t 1"] | None,
    steps: Sequence[ConvStep],
    residuals: Sequence[bool],
) -> Float[Tensor, "b t f"]:
    """Each step reads the output of the one before, plus `x` where its residual is set; `mask` gets no gradient."""
    real = x.new_ones(x.shape[:2]) if mask is None else mask.detach().squeeze(2).contiguous()
    filters, weights = [], []
    for step in steps:
        conv, norm = step.conv, step.norm
        taps = conv.depthwise
        filters.append((taps.shape[1], conv.dilation, conv.causal))
        weights += [taps, conv.pointwise.weight, norm.weight, norm.bias]
    plan, epsilon = _plan(tuple(filters), tuple(residuals)), np.float32(norm.eps)
    sizes = plan, epsilon, torch.is_grad_enabled()
    return cast("Tensor", _ConvSteps.apply(x.contiguous(), real, sizes, *weights))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=64)
def _plan(filters: tuple[tuple[int, int, bool], ...], residuals: tuple[bool, ...]) -> np.ndarray:
    """A row for each step: its taps' places among all, dilation, positions read before its own, and its residual."""
    rows, place = [], 0
    for (taken, dilation, causal), residual in zip(filters, residuals, strict=True):
        rows.append((place, place + taken, dilation, centre(taken, causal) * dilation, int(residual)))
        place += taken
    return np.array(rows)


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _measure(h, epsilon, stats):
    """Mean and 1/√(variance + ε) of each row."""
    width = np.float32(h.shape[1])
    for t in range(h.shape[0]):
        row = h[t]
        total = np.float32(0)
        for c in range(row.shape[0]):
            total += row[c]
        mean, total = total / width, np.float32(0)
        for c in range(row.shape[0]):
            total += (row[c] - mean) * (row[c] - mean)
        stats[t, 0], stats[t, 1] = mean, np.float32(1) / np.sqrt(total / width + epsilon)


@kernel
@no_type_check
def _normalise(h, stats, norm, x, residual, out):
    """out = (h − mean) / deviation · gain + bias, plus x where the residual is set."""
    gain, bias = norm[0], norm[1]
    for t in range(h.shape[0]):
        mean, scale, row, normed = stats[t, 0], stats[t, 1], h[t], out[t]
        for c in range(row.shape[0]):
            normed[c] = (row[c] - mean) * scale * gain[c] + bias[c]
        if residual:
            added = x[t]
            for c in range(row.shape[0]):
                normed[c] += added[c]


@kernel
@no_type_check
def _normalise_backward(h, stats, gain, gradient, of_h, of_norm):
    """The gradient of `h` into `of_h`; those of gain and bias are added up."""
    share = np.float32(1) / np.float32(h.shape[1])
    of_gain, of_bias = of_norm[0], of_norm[1]
    for t in range(h.shape[0]):
        mean, scale, row, slopes, out = stats[t, 0], stats[t, 1], h[t], gradient[t], of_h[t]
        total, along = np.float32(0), np.float32(0)
        for c in range(row.shape[0]):
            unit = (row[c] - mean) * scale
            of_gain[c] += slopes[c] * unit
            of_bias[c] += slopes[c]
            total += slopes[c] * gain[c]
            along += slopes[c] * gain[c] * unit
        total *= share
        along *= share
        for c in range(row.shape[0]):
            unit = (row[c] - mean) * scale
            out[c] = store(out[c], (slopes[c] * gain[c] - total - unit * along) * scale)


@kernel
@no_type_check
def _forward_some(first, last, x, real, plan, epsilon, weights, kept, out):
    """The examples from `first` to before `last`."""
    taps, pointwise, norms = weights
    filtered, hidden, stats = kept
    length = real.shape[1]
    some = slice(first * length, last * length)
    rectified = np.empty((length, x.shape[1]), np.float32)
    convolved = np.empty_like(rectified)
    y = x[some]
    for step in range(len(plan)):
        start, end, dilation, left, residual = plan[step]
        place = step % len(filtered)
        asked, products, measured = filtered[place, some], hidden[place, some], stats[place, some]
        for b in range(last - first):
            own = slice(b * length, (b + 1) * length)
            rectify(y[own], real[first + b], rectified)
            correlate(rectified, taps[start:end], convolved, dilation, left)
            store_all(convolved, asked[own])
        multiply_transposed(asked, pointwise[step], products)
        _measure(products, epsilon, measured)
        _normalise(products, measured, norms[step], x[some], residual, out[some])
        y = out[some]


@Threaded
@no_type_check
def _forward(x, real, plan, epsilon, weights, kept, out):
    """Fill in the output and what is kept of each step, or of the last: its product's factors, the product, mean and
    deviation."""
    for chunk in prange(CHUNKS):
        first, last = part(chunk, len(real))
        if first < last:
            one_thread()
            _forward_some(first, last, x, real, plan, epsilon, weights, kept, out)


@kernel
@no_type_check
def _backward_some(first, last, gradient, x, real, plan, weights, kept, of_hidden, of_x, of_taps, of_norms):
    """The examples from `first` to before `last`; gradients of taps and norms are added to what is there."""
    taps, pointwise, norms = weights
    _, hidden, stats = kept
    length = real.shape[1]
    some = slice(first * length, last * length)
    inputs, of_inputs, of_step = x[some], of_x[some], gradient[some].copy()
    y, slopes, rectified = np.empty_like(inputs), np.empty_like(inputs), np.empty((length, x.shape[1]), np.float32)
    of_inputs[:] = 0
    for step in range(len(plan) - 1, -1, -1):
        start, end, dilation, left, residual = plan[step]
        if residual:
            add_all(of_step, of_inputs)
        reversed_taps, of_products = taps[start:end][::-1].copy(), of_hidden[step, some]
        _normalise_backward(hidden[step, some], stats[step, some], norms[step, 0], of_step, of_products, of_norms[step])
        multiply(of_products, pointwise[step], slopes)
        if step:
            before = step - 1
            _normalise(hidden[before, some], stats[before, some], norms[before], inputs, plan[before, 4], y)
        else:
            y, of_step = inputs, np.empty_like(inputs)
        for b in range(last - first):
            own = slice(b * length, (b + 1) * length)
            rectify(y[own], real[first + b], rectified)
            add_tap_gradients(rectified, slopes[own], of_taps[start:end], dilation, left)
            correlate(slopes[own], reversed_taps, of_step[own], dilation, (end - start - 1) * dilation - left)
            rectify_backward(y[own], real[first + b], of_step[own])
    add_all(of_step, of_inputs)


@Threaded
@no_type_check
def _backward(gradient, x, real, plan, weights, kept, of_hidden, of_x, of_weights):
    """Fill in all gradients; those of taps and norms are a part for each chunk."""
    of_taps, of_pointwise, of_norms = of_weights
    for chunk in prange(CHUNKS):
        first, last = part(chunk, len(real))
        of_taps[chunk, :] = 0
        of_norms[chunk, :] = 0
        if first < last:
            one_thread()
            _backward_some(
                first, last, gradient, x, real, plan, weights, kept, of_hidden, of_x, of_taps[chunk], of_norms[chunk]
            )
    features = of_pointwise.shape[1]
    for task in prange(len(plan) * PARTS):
        step, share = task // PARTS, task % PARTS
        own = slice(share * features // PARTS, (share + 1) * features // PARTS)
        one_thread()
        transposed_multiply(of_hidden[step][:, own], kept[0][step], of_pointwise[step, own])


class _ConvSteps(torch.autograd.Function):
    """`parameters` are four for each step: taps, pointwise, gain, bias."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, real: Tensor, sizes: tuple[np.ndarray, np.float32, bool], *parameters: Tensor
    ) -> Tensor:
        plan, epsilon, keeps = sizes
        taps = torch.cat([weight.t() for weight in parameters[::4]])
        pointwise = torch.stack(parameters[1::4]).to(factor_type(x))
        norms = torch.stack((torch.stack(parameters[2::4]), torch.stack(parameters[3::4])), dim=1)
        (steps, features, width), rows = pointwise.shape, x.shape[0] * x.shape[1]
        places = steps if keeps else 1
        filtered = x.new_empty(places, rows, width, dtype=pointwise.dtype)
        hidden, stats = x.new_empty(places, rows, features), x.new_empty(places, rows, 2)
        weights, kept, out = (taps, pointwise, norms), (filtered, hidden, stats), x.new_empty(*x.shape[:2], features)
        inputs = array(x).reshape(rows, -1), array(real), plan, epsilon
        _forward(*inputs, tuple(map(array, weights)), tuple(map(array, kept)), array(out).reshape(rows, -1))
        ctx.save_for_backward(x, real, *weights, *kept)
        ctx.plan = plan
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, real, taps, pointwise, norms, *kept = ctx.saved_tensors
        rows, plan = x.shape[0] * x.shape[1], ctx.plan
        of_taps, of_norms = (x.new_empty(CHUNKS, *weight.shape) for weight in (taps, norms))
        of_pointwise, of_x = x.new_empty(pointwise.shape), torch.empty_like(x)
        of_hidden = torch.empty_like(kept[1], dtype=pointwise.dtype)
        slopes, inputs = array(gradient.contiguous()).reshape(rows, -1), array(x).reshape(rows, -1)
        weights, of_weights = (taps, pointwise, norms), (of_taps, of_pointwise, of_norms)
        arrays = (tuple(map(array, tensors)) for tensors in (weights, kept))
        outputs = array(of_hidden), array(of_x).reshape(rows, -1), tuple(map(array, of_weights))
        _backward(slopes, inputs, array(real), plan, *arrays, *outputs)
        gains, biases = of_norms.sum(0).unbind(1)
        of_filters = of_taps.sum(0).t().split((plan[:, 1] - plan[:, 0]).tolist(), dim=1)
        of_steps = zip(of_filters, of_pointwise.unbind(), gains.unbind(), biases.unbind(), strict=True)
        return of_x, None, None, *(of_part for of_step in of_steps for of_part in of_step)
