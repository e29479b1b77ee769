"""The body that all tasks share: encoder → I/O mixer → autoregressive decoder (paper, section 2.4 and figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodel.layers.attention import AttentionBlock, AttentionMemory
from multimodel.layers.convolution import ConvBlock, Rings, float_mask
from multimodel.layers.experts import Experts, ExpertUse
from multimodel.layers.timing import NoTiming, Timing

Use = tuple[ExpertUse, ...]
Part = ConvBlock | AttentionBlock | Experts


class Source(NamedTuple):
    """The encoded input and which of its positions are real."""

    encoded: Float[Tensor, "b s d"]
    mask: Bool[Tensor, "b s"]


class MixerMemory(NamedTuple):
    """What the mixer keeps between two steps."""

    attention: AttentionMemory
    blocks: tuple[tuple[Rings, ...], ...]


class DecoderMemory(NamedTuple):
    """What the decoder keeps between two steps: for each layer its convolutions and its attention."""

    layers: tuple[tuple[tuple[Rings, ...], AttentionMemory], ...]


class BodyMemory(NamedTuple):
    """What both keep."""

    mixer: MixerMemory
    decoder: DecoderMemory


class Encoder(nn.Module):
    """Timing, then ConvBlocks with one mixture of experts in their middle."""

    def __init__(self, timing: Timing | NoTiming, blocks: Sequence[ConvBlock], experts: Experts) -> None:
        super().__init__()
        self.timing = timing
        self.lower = cast("list[ConvBlock]", nn.ModuleList(blocks[: len(blocks) // 2]))
        self.experts = experts
        self.upper = cast("list[ConvBlock]", nn.ModuleList(blocks[len(blocks) // 2 :]))

    def forward(self, x: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"]) -> tuple[Source, Use]:
        """Encode a sequence; padding changes nothing at real positions."""
        real = float_mask(mask, x)
        x = self.timing(x)
        for block in self.lower:
            x = block(x, real)
        x, use = self.experts(x, mask)
        for block in self.upper:
            x = block(x, real)
        return Source(x, mask), use


class Mixer(nn.Module):
    """Mixes the shifted targets with the encoded input: an AttentionBlock, then causal ConvBlocks."""

    def __init__(self, attention: AttentionBlock, blocks: Sequence[ConvBlock]) -> None:
        super().__init__()
        self.attention = attention
        self.blocks = cast("list[ConvBlock]", nn.ModuleList(blocks))

    def forward(self, shifted: Float[Tensor, "b t d"], source: Source) -> Float[Tensor, "b t d"]:
        """Mixed targets, position by position blind to the future."""
        mixed = self.attention(shifted, source.encoded, source.mask)
        for block in self.blocks:
            mixed = block(mixed)
        return mixed

    def parts(self) -> list[Part]:
        """Its blocks in the order of their work."""
        return [self.attention, *self.blocks]

    def start(self, source: Source, limit: int) -> MixerMemory:
        """Memory before the first of at most `limit` positions."""
        batch = source.encoded.shape[0]
        return MixerMemory(
            self.attention.start(source.encoded, source.mask, limit), tuple(block.start(batch) for block in self.blocks)
        )

    def step(self, shifted: Float[Tensor, "b 1 d"], memory: MixerMemory, position: int) -> Float[Tensor, "b 1 d"]:
        """One position."""
        mixed = self.attention.step(shifted, memory.attention, position)
        for block, rings in zip(self.blocks, memory.blocks, strict=True):
            mixed = block.step(mixed, rings, position)
        return mixed


class DecoderLayer(nn.Module):
    """A causal ConvBlock, then attention to the encoded input."""

    def __init__(self, block: ConvBlock, attention: AttentionBlock) -> None:
        super().__init__()
        self.block = block
        self.attention = attention

    def forward(self, x: Float[Tensor, "b t d"], source: Source) -> Float[Tensor, "b t d"]:
        """Same shape."""
        return self.attention(self.block(x), source.encoded, source.mask)


class Decoder(nn.Module):
    """DecoderLayers with one mixture of experts in their middle."""

    def __init__(self, layers: Sequence[DecoderLayer], experts: Experts) -> None:
        super().__init__()
        self.middle = len(layers) // 2
        self.layers = cast("list[DecoderLayer]", nn.ModuleList(layers))
        self.experts = experts

    def forward(
        self, mixed: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"], source: Source
    ) -> tuple[Float[Tensor, "b t d"], Use]:
        """Decode mixed targets, all positions at once."""
        decoded, use = mixed, ()
        for index, layer in enumerate(self.layers):
            if index == self.middle:
                decoded, use = self.experts(decoded, mask)
            decoded = layer(decoded, source)
        return decoded, use

    def parts(self) -> list[Part]:
        """Its blocks in the order of their work."""
        blocks: list[Part] = [part for layer in self.layers for part in (layer.block, layer.attention)]
        return [*blocks[: 2 * self.middle], self.experts, *blocks[2 * self.middle :]]

    def start(self, source: Source, limit: int) -> DecoderMemory:
        """Memory before the first of at most `limit` positions."""
        batch = source.encoded.shape[0]
        return DecoderMemory(
            tuple(
                (layer.block.start(batch), layer.attention.start(source.encoded, source.mask, limit))
                for layer in self.layers
            )
        )

    def step(self, x: Float[Tensor, "b 1 d"], memory: DecoderMemory, position: int) -> Float[Tensor, "b 1 d"]:
        """One position."""
        for index, (layer, (rings, attention)) in enumerate(zip(self.layers, memory.layers, strict=True)):
            if index == self.middle:
                x, _ = self.experts(x, torch.ones_like(x[..., 0], dtype=torch.bool))
            x = layer.attention.step(layer.block.step(x, rings, position), attention, position)
        return x
