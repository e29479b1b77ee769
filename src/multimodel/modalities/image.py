"""Images: the entry flow of Xception (paper, section 2.5.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from multimodel.layers.convolution import float_mask
from multimodel.layers.planes import ConvRes, ConvStep2d, pad_even, to_sequence
from multimodel.modalities.modality import Bottom, Representation

FLATTEST = 1e-2


def standardise(pixels: Float[Tensor, "b h w c"], real: Float[Tensor, "b h w 1"]) -> Float[Tensor, "b h w c"]:
    """Each image's real pixels with mean 0 for each colour and deviation about 1 for all, padding 0."""
    counts = real.sum((1, 2), keepdim=True).clamp(min=1)
    centred = (pixels - (pixels * real).sum((1, 2), keepdim=True) / counts) * real
    deviation = ((centred**2).sum((1, 2, 3), keepdim=True) / (counts * pixels.shape[3])).sqrt()
    return centred / (deviation + FLATTEST)


class Image(nn.Module, Bottom):
    """Two ConvSteps and three ConvRes: 16 times smaller each way, then flattened; 299² pixels become 19² positions.

    Pixels are standardised and enter as x and −x, because the first thing a ConvStep does is a ReLU.
    """

    def __init__(self, colours: int, channels: Sequence[int], width: int) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.step1 = ConvStep2d(2 * colours, first, (3, 3), (2, 2))
        self.step2 = ConvStep2d(first, second, (3, 3))
        self.blocks = nn.ModuleList([ConvRes(second, third), ConvRes(third, fourth), ConvRes(fourth, width)])

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Pixels (b, h, w, c) in 0…1 to (b, ⌈h/16⌉·⌈w/16⌉, d); `mask` is (b, h, w)."""
        real = float_mask(mask, inputs)
        x = standardise(inputs, real)
        x, real = pad_even(torch.cat((x, -x), dim=-1), (2, 2)), pad_even(real, (2, 2))
        hidden = self.step1(x, real)
        real = real[:, ::2, ::2]
        hidden = self.step2(hidden, real)
        for block in self.blocks:
            hidden, real = block(hidden, real)
        plane = real[..., 0] > 0
        return Representation(*to_sequence(hidden * real, plane), plane)
