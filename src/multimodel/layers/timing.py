"""Timing signal: sinusoids that tell a position where it is (paper, section 2.2)."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn


def timing_signal(length: int, width: int, start: int, like: Tensor) -> Float[Tensor, "t d"]:
    """Channels (2i, 2i+1) of position p are sin and cos of p · 10000^(−2i/d)."""
    positions = max(512, 1 << (start + length - 1).bit_length())
    return timing_table(positions, width, like.device, like.dtype)[start : start + length]


@lru_cache(maxsize=16)
def timing_table(positions: int, width: int, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "t d"]:
    """The signal from position 0 on, kept: decoding asks for it once per block and symbol."""
    position = torch.arange(positions, device=device, dtype=torch.float32)
    rate = 10000.0 ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angle = position[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1).to(dtype)


class Timing(nn.Module):
    """Adds the timing signal; `start` is the position of the first element."""

    def forward(self, x: Float[Tensor, "b t d"], start: int = 0) -> Float[Tensor, "b t d"]:
        """Same shape; the width must be even."""
        return x + timing_signal(x.shape[1], x.shape[2], start, x)


class NoTiming(nn.Module):
    """The ablation: positions are told nothing."""

    def forward(self, x: Float[Tensor, "b t d"], start: int = 0) -> Float[Tensor, "b t d"]:
        """The input."""
        return x
