"""ReLU, mask and depthwise convolution in one pass, for float32 on a CPU; compiled at first use by numba.

Channels are last, so the innermost loop runs over neighbouring floats and becomes vector instructions. One example is
done at a time: its rectified copy stays in the cache while the taps pass over it. A tap that would read outside the
sequence is left out, not multiplied by zero.
"""

from __future__ import annotations

from typing import Any, cast, no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from multimodel.layers.depthwise import centre

kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _rectify(x, real, out):
    """out[t, c] = max(x[t, c], 0) · real[t]."""
    zero = np.float32(0)
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[t, c] = max(x[t, c], zero) * real[t]


@kernel
@no_type_check
def _correlate(x, taps, out, dilation, left):
    """out[t, c] = Σ_j taps[j, c] · x[t + j·dilation − left, c], four taps at a time."""
    length, kernel = x.shape[0], taps.shape[0]
    for t in range(length):
        row = out[t]
        first = (left - t + dilation - 1) // dilation if left > t else 0
        last = min(kernel, (length - 1 - t + left) // dilation + 1)
        row[:] = 0
        j = first
        while j + 4 <= last:
            s = t + j * dilation - left
            x0, x1, x2, x3 = x[s], x[s + dilation], x[s + 2 * dilation], x[s + 3 * dilation]
            w0, w1, w2, w3 = taps[j], taps[j + 1], taps[j + 2], taps[j + 3]
            for c in range(row.shape[0]):
                row[c] += w0[c] * x0[c] + w1[c] * x1[c] + w2[c] * x2[c] + w3[c] * x3[c]
            j += 4
        while j < last:
            x0, w0 = x[t + j * dilation - left], taps[j]
            for c in range(row.shape[0]):
                row[c] += w0[c] * x0[c]
            j += 1


@kernel
@no_type_check
def _add_tap_gradients(x, gradient, out, dilation, left):
    """out[j, c] += Σ_t gradient[t, c] · x[t + j·dilation − left, c], four positions at a time."""
    length = x.shape[0]
    for j in range(out.shape[0]):
        row, offset = out[j], j * dilation - left
        t, last = max(0, -offset), min(length, length - offset)
        while t + 4 <= last:
            g0, g1, g2, g3 = gradient[t], gradient[t + 1], gradient[t + 2], gradient[t + 3]
            s = t + offset
            x0, x1, x2, x3 = x[s], x[s + 1], x[s + 2], x[s + 3]
            for c in range(row.shape[0]):
                row[c] += g0[c] * x0[c] + g1[c] * x1[c] + g2[c] * x2[c] + g3[c] * x3[c]
            t += 4
        while t < last:
            g0, x0 = gradient[t], x[t + offset]
            for c in range(row.shape[0]):
                row[c] += g0[c] * x0[c]
            t += 1


@kernel
@no_type_check
def _forward(x, real, taps, out, dilation, left):
    rectified = np.empty_like(x[0])
    for b in range(x.shape[0]):
        _rectify(x[b], real[b], rectified)
        _correlate(rectified, taps, out[b], dilation, left)


@kernel
@no_type_check
def _backward(x, real, taps, gradient, of_x, of_taps, dilation, left):
    """A correlation's gradient is the correlation of the gradient with the taps reversed."""
    zero = np.float32(0)
    rectified, reversed_taps = np.empty_like(x[0]), taps[::-1].copy()
    of_taps[:] = 0
    for b in range(x.shape[0]):
        _rectify(x[b], real[b], rectified)
        _add_tap_gradients(rectified, gradient[b], of_taps, dilation, left)
        _correlate(gradient[b], reversed_taps, of_x[b], dilation, (taps.shape[0] - 1) * dilation - left)
        for t in range(x.shape[1]):
            for c in range(x.shape[2]):
                of_x[b, t, c] = of_x[b, t, c] * real[b, t] if x[b, t, c] > 0 else zero


class _RectifiedDepthwise(torch.autograd.Function):
    """The two compiled passes as one differentiable operation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, real: Tensor, weight: Tensor, dilation: int, left: int) -> Tensor:
        x, taps, out = x.contiguous(), weight.t().contiguous(), torch.empty(x.shape)
        _forward(x.numpy(), real.numpy(), taps.numpy(), out.numpy(), dilation, left)
        ctx.save_for_backward(x, real, taps)
        ctx.dilation, ctx.left = dilation, left
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor, None, None]:
        x, real, taps = ctx.saved_tensors
        of_x, of_taps = torch.empty_like(x), torch.empty_like(taps)
        arrays = (tensor.numpy() for tensor in (x, real, taps, gradient.contiguous(), of_x, of_taps))
        _backward(*arrays, ctx.dilation, ctx.left)
        return of_x, None, of_taps.t(), None, None


def rectified_depthwise(
    x: Float[Tensor, "b t d"],
    mask: Float[Tensor, "b t 1"] | None,
    weight: Float[Tensor, "d k"],
    dilation: int,
    causal: bool,
) -> Float[Tensor, "b t d"]:
    """See `multimodel.layers.depthwise.rectified_depthwise`; `mask` gets no gradient."""
    real = x.new_ones(x.shape[:2]) if mask is None else mask.detach().squeeze(2).contiguous()
    left = centre(weight.shape[1], causal) * dilation
    return cast("Tensor", _RectifiedDepthwise.apply(x, real, weight, dilation, left))  # type: ignore[no-untyped-call]
