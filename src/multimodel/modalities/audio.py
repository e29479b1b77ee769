"""Audio: one stack of ConvRes for a waveform or a spectrogram (paper, section 2.5.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from multimodel.layers.convolution import float_mask
from multimodel.layers.planes import ConvRes, ConvStep2d
from multimodel.modalities.modality import Bottom, Representation


class AudioStack(nn.Module):
    """ConvRes after ConvRes, then a ConvStep to the body's width; the first `strided` blocks stride time alone."""

    def __init__(self, inputs: int, channels: Sequence[int], strided: int, height: int, width: int) -> None:
        super().__init__()
        sizes = list(zip([inputs, *channels[:-1]], channels, strict=True))
        self.blocks = nn.ModuleList(
            ConvRes(before, after, kernel=(3, height), stride=(2 if index < strided else 1, 1))
            for index, (before, after) in enumerate(sizes)
        )
        self.to_width = ConvStep2d(channels[-1], width, (1, 1))

    def forward(self, x: Float[Tensor, "b t f c"], real: Float[Tensor, "b t f 1"]) -> Representation:
        """Flattened time-major; zero at padding."""
        for block in self.blocks:
            x, real = block(x, real)
        x = self.to_width(x, real) * real
        return Representation(x.flatten(1, 2), real.flatten(1) > 0, real[..., 0] > 0)


class Spectrogram(nn.Module, Bottom):
    """Log-mel energies ≥ 0: the 2-D form, which never strides along frequency."""

    def __init__(self, channels: Sequence[int], strided: int, width: int) -> None:
        super().__init__()
        self.stack = AudioStack(1, channels, strided, 3, width)

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Frames (b, t, f) to (b, ⌈t/2^strided⌉·f, d); `mask` is (b, t)."""
        real = float_mask(mask, inputs)[:, :, None].expand(-1, -1, inputs.shape[2], -1)
        return self.stack(inputs.unsqueeze(-1), real)


class Waveform(nn.Module, Bottom):
    """Samples in −1…1: the 1-D form. They enter as x and −x, because the first thing a ConvStep does is a ReLU."""

    def __init__(self, channels: Sequence[int], strided: int, width: int) -> None:
        super().__init__()
        self.stack = AudioStack(2, channels, strided, 1, width)

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Samples (b, t) to (b, ⌈t/2^strided⌉, d)."""
        both = torch.stack((inputs, -inputs), dim=-1).unsqueeze(2)
        return self.stack(both, float_mask(mask, inputs)[:, :, None])
