"""Timing signal: sinusoids that tell a position where it is (paper, section 2.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def timing_signal(length: int, width: int, start: int, like: Tensor) -> Float[Tensor, "t d"]:
    """Channels (2i, 2i+1) of position p are sin and cos of p · 10000^(−2i/d)."""
    position = torch.arange(start, start + length, device=like.device, dtype=torch.float32)
    rate = 10000.0 ** (-torch.arange(0, width, 2, device=like.device, dtype=torch.float32) / width)
    angle = position[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1).to(like.dtype)


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
