"""Images: the entry flow of Xception (paper, section 2.5.2)."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Num
from torch import Tensor, nn

from multimodel.layers.convolution import float_mask
from multimodel.layers.planes import ConvRes, ConvStep2d, pad_even, to_sequence
from multimodel.modalities.modality import Bottom, Representation


class Image(nn.Module, Bottom):
    """Two ConvSteps and three ConvRes: 16 times smaller each way, then flattened; 299² pixels become 19² positions."""

    def __init__(self, colours: int, channels: Sequence[int], width: int) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.step1 = ConvStep2d(colours, first, (3, 3), (2, 2))
        self.step2 = ConvStep2d(first, second, (3, 3))
        self.blocks = nn.ModuleList([ConvRes(second, third), ConvRes(third, fourth), ConvRes(fourth, width)])

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Pixels (b, h, w, c) in 0…1 to (b, ⌈h/16⌉·⌈w/16⌉, d); `mask` is (b, h, w)."""
        x, real = pad_even(inputs, (2, 2)), pad_even(float_mask(mask, inputs), (2, 2))
        hidden = self.step1(x, real)
        real = real[:, ::2, ::2]
        hidden = self.step2(hidden, real)
        for block in self.blocks:
            hidden, real = block(hidden, real)
        plane = real[..., 0] > 0
        return Representation(*to_sequence(hidden * real, plane), plane)
