"""Depthwise convolution of a sequence: one filter per channel; torch alone, so it runs anywhere."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def centre(kernel: int, causal: bool) -> int:
    """The tap that reads the position itself: a causal filter's last, otherwise the middle, the smaller half first."""
    return kernel - 1 if causal else (kernel - 1) // 2


def depthwise(
    x: Float[Tensor, "b t d"], weight: Float[Tensor, "d k"], dilation: int, causal: bool
) -> Float[Tensor, "b t d"]:
    """One filter of k taps per channel, zeros outside the sequence, same length.

    The sequence is laid out as rows of `dilation` positions, so that a dilated filter runs down the columns without
    dilation, and taps that could only ever meet zeros are cut off. Both are views or slices: the sums are the same.
    """
    length, kernel = x.shape[1], weight.shape[1]
    rows, middle = -(-length // dilation), centre(kernel, causal)
    before, after = min(middle, rows - 1), min(kernel - 1 - middle, rows - 1)
    taps = weight[:, middle - before : middle + after + 1]
    x = F.pad(x, (0, 0, before * dilation, (rows + after) * dilation - length))
    grid = x.view(x.shape[0], -1, dilation, x.shape[2]).permute(0, 3, 1, 2)
    y = F.conv2d(grid, taps[:, None, :, None], groups=x.shape[2])
    return y.permute(0, 2, 3, 1).reshape(x.shape[0], rows * dilation, -1)[:, :length]
