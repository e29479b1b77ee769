"""Convolutions over planes (height, width, channels): the steps of the image, audio and category nets (section 2.5).

A strided window starts at the first pixel, on planes made even with masked pixels at their end, which is where
"same" padding puts it on even sizes. So its place never depends on how far a batch was padded.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from multimodel.layers.convolution import NORM_EPSILON

Pair = tuple[int, int]


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Zeros before and after such that ceil(size / stride) windows fit, the smaller half first."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(
    x: Float[Tensor, "b h w c"], kernel: Pair, stride: Pair, value: float = 0.0
) -> tuple[Float[Tensor, "b H W c"], Pair]:
    """Pad both plane axes for a window of this kernel and stride.

    Where as much is to be padded on both sides the plane is left as it is, and what its user is to pad is told.
    """
    top, bottom = same_padding(x.shape[1], kernel[0], stride[0])
    left, right = same_padding(x.shape[2], kernel[1], stride[1])
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (0, 0, left, right, top, bottom), value=value), (0, 0)


def pad_even(x: Float[Tensor, "b h w c"], stride: Pair) -> Float[Tensor, "b H W c"]:
    """Append zeros until each axis is a multiple of its stride."""
    down, right = -x.shape[1] % stride[0], -x.shape[2] % stride[1]
    return F.pad(x, (0, 0, 0, right, 0, down)) if down or right else x


def reading_order(real: Bool[Tensor, "b h w"]) -> Int[Tensor, "b s 1"]:
    """Cells row by row, the real ones first: so that a row's end meets the next row, however wide the batch is."""
    return real.flatten(1).logical_not().byte().argsort(dim=1, stable=True).unsqueeze(-1)


def to_sequence(
    x: Float[Tensor, "b h w c"], real: Bool[Tensor, "b h w"]
) -> tuple[Float[Tensor, "b s c"], Bool[Tensor, "b s"]]:
    """A plane read as a sequence, padding at its end, and the sequence's mask."""
    order = reading_order(real)
    mask = real.flatten(1).gather(1, order.squeeze(-1))
    return x.flatten(1, 2).gather(1, order.expand(-1, -1, x.shape[3])), mask


def to_plane(x: Float[Tensor, "b s c"], real: Bool[Tensor, "b h w"]) -> Float[Tensor, "b h w c"]:
    """The plane that a sequence was read from."""
    plane = torch.zeros_like(x).scatter(1, reading_order(real).expand_as(x), x)
    return plane.reshape(*real.shape, x.shape[2])


def max_pool(
    x: Float[Tensor, "b h w c"], mask: Float[Tensor, "b h w 1"], kernel: Pair, stride: Pair
) -> Float[Tensor, "b H W c"]:
    """Largest real value of each window; masked pixels never win, and a window of masked pixels gives 0."""
    lowest = torch.finfo(x.dtype).min
    x, around = pad_same(torch.where(mask > 0, x, lowest), kernel, stride, value=lowest)
    pooled = F.max_pool2d(x.permute(0, 3, 1, 2), kernel, stride, around).permute(0, 2, 3, 1)
    return pooled * mask[:, :: stride[0], :: stride[1]]


class SepConv2d(nn.Module):
    """Depthwise convolution of a plane, then a pointwise one; nothing between, no bias."""

    def __init__(self, channels: int, features: int, kernel: Pair, stride: Pair) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.depthwise = nn.Parameter(torch.randn(channels, 1, *kernel) * (kernel[0] * kernel[1]) ** -0.5)
        self.pointwise = nn.Linear(channels, features, bias=False)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b H W f"]:
        """Convolve with "same" padding."""
        if self.kernel == (1, 1):
            return self.pointwise(x[:, :: self.stride[0], :: self.stride[1]] * self.depthwise[:, 0, 0, 0])
        x, around = pad_same(x, self.kernel, self.stride)
        filtered = F.conv2d(x.permute(0, 3, 1, 2), self.depthwise, None, self.stride, around, groups=x.shape[3])
        return self.pointwise(filtered.permute(0, 2, 3, 1))


class ConvStep2d(nn.Module):
    """`LN(SepConv(ReLU(x)))` on a plane, with an optional stride."""

    def __init__(self, channels: int, features: int, kernel: Pair, stride: Pair = (1, 1)) -> None:
        super().__init__()
        self.conv = SepConv2d(channels, features, kernel, stride)
        self.norm = nn.LayerNorm(features, eps=NORM_EPSILON)

    def forward(self, x: Float[Tensor, "b h w c"], mask: Float[Tensor, "b h w 1"]) -> Float[Tensor, "b H W f"]:
        """`mask` (1 real, 0 padding) keeps windows from reading padding."""
        return self.norm(self.conv((x * mask).relu_()))


class ConvRes(nn.Module):
    """Two ConvSteps, a strided max-pool, and a strided 1×1 ConvStep of the input beside them (section 2.5.2)."""

    def __init__(self, channels: int, features: int, *, kernel: Pair = (3, 3), stride: Pair = (2, 2)) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.step1 = ConvStep2d(channels, features, kernel)
        self.step2 = ConvStep2d(features, features, kernel)
        self.shortcut = ConvStep2d(channels, features, (1, 1), stride)

    def forward(
        self, x: Float[Tensor, "b h w c"], mask: Float[Tensor, "b h w 1"]
    ) -> tuple[Float[Tensor, "b H W f"], Float[Tensor, "b H W 1"]]:
        """The smaller plane and its mask."""
        x, mask = pad_even(x, self.stride), pad_even(mask, self.stride)
        hidden = self.step2(self.step1(x, mask), mask)
        pooled = max_pool(hidden, mask, self.kernel, self.stride)
        return pooled + self.shortcut(x, mask), mask[:, :: self.stride[0], :: self.stride[1]]
