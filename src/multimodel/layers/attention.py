"""Attention: multi-head attention and the AttentionBlock made of it (paper, section 2.2).

Every part of a block can be another: `NoSelfAttention` and `AverageSource` are the ablations of Table 4.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodel.layers.convolution import NORM_EPSILON, ConvStep, Rings, conv_steps
from multimodel.layers.paths import fused
from multimodel.layers.products import Linear
from multimodel.layers.timing import NoTiming, Timing

MOST_SCORES = 1 << 21  # of an example: the fused path keeps them all
Heads = Float[Tensor, "b h t c"]


class KeysValues(NamedTuple):
    """What attention reads: projected once for a source, or filled position by position for a target."""

    keys: Heads
    values: Heads
    mask: Bool[Tensor, "b 1 1 s"] | None


class SourceKeysValues(KeysValues):
    """Of a source: all hypotheses of an example share them, and no step changes them."""


class AttentionMemory(NamedTuple):
    """What an AttentionBlock keeps between two steps."""

    step1: Rings
    step2: Rings
    target: KeysValues | None
    source: SourceKeysValues


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in `heads` subspaces; all projections with bias, as in the authors' code."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.output = Linear(width, width)

    def split(self, x: Float[Tensor, "b t d"]) -> Heads:
        """Channels to heads."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def read(self, source: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"] | None) -> KeysValues:
        """Keys and values of a source; two pointwise convolutions."""
        attended = None if mask is None else mask[:, None, None, :]
        return KeysValues(self.split(self.key(source)), self.split(self.value(source)), attended)

    def forward(
        self,
        target: Float[Tensor, "b t d"],
        source: Float[Tensor, "b s d"],
        mask: Bool[Tensor, "b s"] | None = None,
        *,
        causal: bool = False,
    ) -> Float[Tensor, "b t d"]:
        """Attend from each target position to the source, where `mask` is set."""
        if fused(target) and self.heads * target.shape[1] * source.shape[1] <= MOST_SCORES:
            from multimodel.layers import attention_cpu  # numba takes a second to import

            return attention_cpu.attend(self, target, source, mask, causal=causal)
        return self.attend(target, self.read(source, mask), causal=causal)

    def attend(self, target: Float[Tensor, "b t d"], memory: KeysValues, *, causal: bool) -> Float[Tensor, "b t d"]:
        """Attend from each target position."""
        queries = self.split(self.query(target))
        mixed = F.scaled_dot_product_attention(
            queries, memory.keys, memory.values, attn_mask=memory.mask, is_causal=causal
        )
        return self.output(mixed.transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    """Causal attention of a target to itself."""

    def __init__(self, attention: MultiHeadAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Position p sees positions ≤ p."""
        return self.attention(x, x, causal=True)

    def start(self, batch: int, limit: int) -> KeysValues | None:
        """Room for `limit` positions."""
        width = self.attention.key.out_features
        heads = self.attention.heads
        room = self.attention.key.weight.new_zeros(2, batch, heads, limit, width // heads)
        return KeysValues(room[0], room[1], None)

    def step(self, x: Float[Tensor, "b 1 d"], memory: KeysValues | None, position: int) -> Float[Tensor, "b 1 d"]:
        """Write this position's key and value, then attend to all so far."""
        assert memory is not None
        own = self.attention.read(x, None)
        memory.keys[:, :, position] = own.keys[:, :, 0]
        memory.values[:, :, position] = own.values[:, :, 0]
        so_far = KeysValues(memory.keys[:, :, : position + 1], memory.values[:, :, : position + 1], None)
        return self.attention.attend(x, so_far, causal=False)


class NoSelfAttention(nn.Module):
    """The ablation: the convolved target itself asks the source."""

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """The input."""
        return x

    def start(self, batch: int, limit: int) -> KeysValues | None:
        """Nothing to remember."""
        return None

    def step(self, x: Float[Tensor, "b 1 d"], memory: KeysValues | None, position: int) -> Float[Tensor, "b 1 d"]:
        """The input."""
        return x


class CrossAttention(nn.Module):
    """Attention of a target to the encoded source; padded source positions are never attended."""

    def __init__(self, attention: MultiHeadAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(
        self, x: Float[Tensor, "b t d"], source: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"]
    ) -> Float[Tensor, "b t d"]:
        """Attend to the real positions of the source."""
        return self.attention(x, source, mask)

    def start(self, source: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"]) -> SourceKeysValues:
        """Keys and values of the source, each head by itself."""
        memory = self.attention.read(source, mask)
        return SourceKeysValues(memory.keys.contiguous(), memory.values.contiguous(), memory.mask)

    def step(self, x: Float[Tensor, "b 1 d"], source: SourceKeysValues) -> Float[Tensor, "b 1 d"]:
        """Attend from one position."""
        return self.attention.attend(x, source, causal=False)


class AverageSource(nn.Module):
    """The ablation of attention: every target position gets the projected mean of the real source positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.output = Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b t d"], source: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"]
    ) -> Float[Tensor, "b t d"]:
        """The same for every position."""
        return self.step(x, self.start(source, mask))

    def start(self, source: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"]) -> SourceKeysValues:
        """The mean, as one position of one head."""
        real = mask.unsqueeze(-1).to(source.dtype)
        mean = (source * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)
        return SourceKeysValues(mean[:, None], mean[:, None], None)

    def step(self, x: Float[Tensor, "b t d"], source: SourceKeysValues) -> Float[Tensor, "b t d"]:
        """The projected mean."""
        return self.output(source.values[:, 0]).expand_as(x)


class AttentionBlock(nn.Module):
    """Convolve the timed target, let it attend to itself, then to the source: `LN(target + self + cross)`."""

    def __init__(
        self,
        width: int,
        *,
        timing: Timing | NoTiming,
        self_attention: SelfAttention | NoSelfAttention,
        cross_attention: CrossAttention | AverageSource,
    ) -> None:
        super().__init__()
        self.timing = timing
        self.step1 = ConvStep(width, width, 5, causal=True)
        self.step2 = ConvStep(width, width, 5, dilation=4, causal=True)
        self.self_attention = self_attention
        self.cross_attention = cross_attention
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)

    def forward(
        self, target: Float[Tensor, "b t d"], source: Float[Tensor, "b s d"], source_mask: Bool[Tensor, "b s"]
    ) -> Float[Tensor, "b t d"]:
        """Same shape as the target."""
        hidden = conv_steps(self.timing(target), None, (self.step1, self.step2), (False, False))
        queries = self.self_attention(hidden)
        answers = self.cross_attention(queries, source, source_mask)
        return self.norm(target + queries + answers)

    def start(self, source: Float[Tensor, "b s d"], source_mask: Bool[Tensor, "b s"], limit: int) -> AttentionMemory:
        """Read the source once; make room for `limit` target positions."""
        batch = source.shape[0]
        return AttentionMemory(
            self.step1.start(batch),
            self.step2.start(batch),
            self.self_attention.start(batch, limit),
            self.cross_attention.start(source, source_mask),
        )

    def step(self, target: Float[Tensor, "b 1 d"], memory: AttentionMemory, position: int) -> Float[Tensor, "b 1 d"]:
        """One target position."""
        hidden = self.step1.step(self.timing(target, position), memory.step1, position)
        hidden = self.step2.step(hidden, memory.step2, position)
        queries = self.self_attention.step(hidden, memory.target, position)
        return self.norm(target + queries + self.cross_attention.step(queries, memory.source))
