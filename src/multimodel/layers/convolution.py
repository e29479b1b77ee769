"""Separable convolutions over sequences: SepConv, ConvStep and ConvBlock (paper, section 2.1).

Channels are last. A convolution is *centred* in the encoder and *causal* (padded on the left only) wherever a position
must not see its future.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodel.layers.depthwise import depthwise
from multimodel.layers.paths import fused
from multimodel.layers.products import Linear

NORM_EPSILON = 1e-6
FIRST_GAIN = 0.1


Rings = Float[Tensor, "b _ _ d"]
"""The last inputs of a causal convolution, (b, dilation, places, d): a ring for each remainder of position ÷ dilation.

The ring is held twice in a row, so that the last `kernel` inputs always stand side by side, oldest first.
"""


class SepConv(nn.Module):
    """Depthwise convolution, then a pointwise one; nothing between, no bias (a norm follows)."""

    def __init__(self, width: int, features: int, kernel: int, *, dilation: int = 1, causal: bool) -> None:
        super().__init__()
        self.dilation, self.causal = dilation, causal
        self.depthwise = nn.Parameter(torch.randn(width, kernel) * kernel**-0.5)
        self.pointwise = Linear(width, features, bias=False)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t f"]:
        """Convolve a whole sequence."""
        return self.pointwise(depthwise(x, self.depthwise, self.dilation, self.causal))

    def start(self, batch: int) -> Rings:
        """Zeros: what stands left of the first position."""
        width, kernel = self.depthwise.shape
        return self.depthwise.new_zeros(batch, self.dilation, 2 * kernel, width)

    def step(self, x: Float[Tensor, "b 1 d"], rings: Rings, position: int) -> Float[Tensor, "b 1 f"]:
        """The causal convolution at one position, from the rings alone."""
        kernel = self.depthwise.shape[1]
        ring, place = rings[:, position % self.dilation], position // self.dilation % kernel
        ring[:, place::kernel] = x
        return self.pointwise((ring[:, place + 1 : place + 1 + kernel] * self.depthwise.T).sum(1, keepdim=True))


class ConvStep(nn.Module):
    """`LN(SepConv(ReLU(x)))`, the unit from which all convolutional blocks are made."""

    def __init__(self, width: int, features: int, kernel: int, *, dilation: int = 1, causal: bool) -> None:
        super().__init__()
        self.conv = SepConv(width, features, kernel, dilation=dilation, causal=causal)
        self.norm = nn.LayerNorm(features, eps=NORM_EPSILON)

    def forward(self, x: Float[Tensor, "b t d"], mask: Float[Tensor, "b t 1"] | None = None) -> Float[Tensor, "b t f"]:
        """`mask` (1 real, 0 padding) keeps a centred filter from reading padding; a causal one needs none."""
        return conv_steps(x, mask, (self,), (False,))

    def plain(self, x: Float[Tensor, "b t d"], mask: Float[Tensor, "b t 1"] | None) -> Float[Tensor, "b t f"]:
        """The same, by torch alone."""
        rectified = F.relu(x) if mask is None else F.relu(x) * mask
        return self.norm(self.conv(rectified))

    def start(self, batch: int) -> Rings:
        """Rings before the first position."""
        return self.conv.start(batch)

    def step(self, x: Float[Tensor, "b 1 d"], rings: Rings, position: int) -> Float[Tensor, "b 1 f"]:
        """One position of a causal step."""
        return self.norm(self.conv.step(F.relu(x), rings, position))


def conv_steps(
    x: Float[Tensor, "b t d"],
    mask: Float[Tensor, "b t 1"] | None,
    steps: Sequence[ConvStep],
    residuals: Sequence[bool],
) -> Float[Tensor, "b t f"]:
    """ConvSteps one after another; `x` is added to the output of those whose residual is set."""
    if fused(x):
        from multimodel.layers import convolution_cpu  # numba takes a second to import

        return convolution_cpu.conv_steps(x, mask, steps, residuals)
    hidden = x
    for step, residual in zip(steps, residuals, strict=True):
        hidden = step.plain(hidden, mask) + x if residual else step.plain(hidden, mask)
    return hidden


class ConvBlock(nn.Module):
    """Four ConvSteps with two residuals; shape kept, receptive field 131 (paper, section 2.1).

    What is added to the input starts small, so that a deep body first passes on the symbols themselves.
    """

    def __init__(self, width: int, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.step1 = ConvStep(width, width, 3, causal=causal)
        self.step2 = ConvStep(width, width, 3, causal=causal)
        self.step3 = ConvStep(width, width, 15, causal=causal)
        self.step4 = ConvStep(width, width, 15, dilation=8, causal=causal)
        self.dropout = nn.Dropout(dropout)
        for step in (self.step2, self.step4):
            nn.init.constant_(step.norm.weight, FIRST_GAIN)

    def forward(self, x: Float[Tensor, "b t d"], mask: Float[Tensor, "b t 1"] | None = None) -> Float[Tensor, "b t d"]:
        """The paper's hidden1 … hidden4; the input is added to the second and the last."""
        steps = (self.step1, self.step2, self.step3, self.step4)
        return self.dropout(conv_steps(x, mask, steps, (False, True, False, True)))

    def start(self, batch: int) -> tuple[Rings, ...]:
        """Memory before the first position."""
        return tuple(step.start(batch) for step in (self.step1, self.step2, self.step3, self.step4))

    def step(self, x: Float[Tensor, "b 1 d"], rings: tuple[Rings, ...], position: int) -> Float[Tensor, "b 1 d"]:
        """One position of a causal block."""
        hidden1 = self.step1.step(x, rings[0], position)
        hidden2 = x + self.step2.step(hidden1, rings[1], position)
        hidden3 = self.step3.step(hidden2, rings[2], position)
        return x + self.step4.step(hidden3, rings[3], position)


def float_mask(mask: Bool[Tensor, "b ..."], like: Tensor) -> Float[Tensor, "b ... 1"]:
    """A boolean mask as numbers to multiply with, one trailing axis for the channels."""
    return mask.unsqueeze(-1).to(like.dtype)
