"""Sizes meet parts: the only place that assembles a MultiModel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from multimodel.batch import Net
from multimodel.body import Decoder, DecoderLayer, Encoder, Mixer
from multimodel.errors import InputError
from multimodel.layers.attention import (
    AttentionBlock,
    AverageSource,
    CrossAttention,
    MultiHeadAttention,
    NoSelfAttention,
    SelfAttention,
)
from multimodel.layers.convolution import ConvBlock
from multimodel.layers.experts import DenseExpert, Experts, MixtureOfExperts, NoExperts
from multimodel.layers.timing import NoTiming, Timing
from multimodel.modalities.audio import Spectrogram, Waveform
from multimodel.modalities.category import Category, CategoryInput
from multimodel.modalities.image import Image
from multimodel.modalities.text import Text
from multimodel.model import MultiModel

ENCODER_BLOCKS, MIXER_BLOCKS, DECODER_LAYERS = 6, 2, 4


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of a model and the parts it is made of; the defaults of the last four are the paper's parts."""

    width: int
    heads: int = 8
    experts: int
    experts_used: int = 4
    expert_width: int
    dropout: float = 0.1
    image_channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    audio_channels: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256)
    audio_strided: int = 8
    timing: Literal["sinusoids", "none"] = "sinusoids"
    self_attention: Literal["causal", "none"] = "causal"
    cross_attention: Literal["attention", "average"] = "attention"
    mixture: Literal["experts", "dense", "none"] = "experts"

    def __post_init__(self) -> None:
        counts = (self.width, self.heads, self.experts, self.experts_used, self.expert_width)
        if min(*counts, *self.image_channels, *self.audio_channels) < 1 or not self.audio_channels:
            raise InputError("The sizes of a model must all be above 0.")
        if self.width % 2 or self.width % self.heads:
            raise InputError(f"A width of {self.width} is not possible: it must be even and a multiple of the heads.")
        if self.experts_used > self.experts:
            raise InputError(
                f"Of {self.experts} experts {self.experts_used} cannot be used: lower --model.experts-used."
            )
        if not 0 <= self.audio_strided <= len(self.audio_channels):
            raise InputError(
                f"Of {len(self.audio_channels)} audio blocks {self.audio_strided} cannot stride: change "
                "--model.audio-strided or --model.audio-channels."
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"The dropout is {self.dropout} and must be from 0 to below 1.")


TIMINGS: Mapping[str, Callable[[], Timing | NoTiming]] = {"sinusoids": Timing, "none": NoTiming}

SELF_ATTENTIONS: Mapping[str, Callable[[Sizes], SelfAttention | NoSelfAttention]] = {
    "causal": lambda sizes: SelfAttention(MultiHeadAttention(sizes.width, sizes.heads)),
    "none": lambda sizes: NoSelfAttention(),
}

CROSS_ATTENTIONS: Mapping[str, Callable[[Sizes], CrossAttention | AverageSource]] = {
    "attention": lambda sizes: CrossAttention(MultiHeadAttention(sizes.width, sizes.heads)),
    "average": lambda sizes: AverageSource(sizes.width),
}

MIXTURES: Mapping[str, Callable[[Sizes], Experts]] = {
    "experts": lambda sizes: MixtureOfExperts(sizes.width, sizes.experts, sizes.experts_used, sizes.expert_width),
    "dense": lambda sizes: DenseExpert(sizes.width, sizes.experts_used * sizes.expert_width),
    "none": lambda sizes: NoExperts(),
}

Modalities = Mapping[str, Callable[[Sizes, int], nn.Module]]

MODALITIES: Modalities = {
    "text": lambda sizes, size: Text(size, sizes.width),
    "image": lambda sizes, size: Image(size, sizes.image_channels, sizes.width),
    "spectrogram": lambda sizes, size: Spectrogram(sizes.audio_channels, sizes.audio_strided, sizes.width),
    "waveform": lambda sizes, size: Waveform(sizes.audio_channels, sizes.audio_strided, sizes.width),
    "category": lambda sizes, size: Category(size, sizes.width),
    "category-input": lambda sizes, size: CategoryInput(size, sizes.width),
}


def build_model(
    sizes: Sizes, nets: Mapping[str, Net], commands: Sequence[str], modalities: Modalities = MODALITIES
) -> MultiModel:
    """A MultiModel with these modality nets and commands; further kinds of net come in through `modalities`."""
    timing = TIMINGS[sizes.timing]

    def attention_block() -> AttentionBlock:
        return AttentionBlock(
            sizes.width,
            timing=timing(),
            self_attention=SELF_ATTENTIONS[sizes.self_attention](sizes),
            cross_attention=CROSS_ATTENTIONS[sizes.cross_attention](sizes),
        )

    def conv_blocks(count: int, *, causal: bool) -> list[ConvBlock]:
        return [ConvBlock(sizes.width, sizes.dropout, causal=causal) for _ in range(count)]

    mixture = MIXTURES[sizes.mixture]
    return MultiModel(
        nets={name: modalities[net.kind](sizes, net.size) for name, net in nets.items()},
        encoder=Encoder(timing(), conv_blocks(ENCODER_BLOCKS, causal=False), mixture(sizes)),
        mixer=Mixer(attention_block(), conv_blocks(MIXER_BLOCKS, causal=True)),
        decoder=Decoder(
            [DecoderLayer(block, attention_block()) for block in conv_blocks(DECODER_LAYERS, causal=True)],
            mixture(sizes),
        ),
        commands=commands,
        width=sizes.width,
    )
