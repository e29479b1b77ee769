"""One row for every class of module in the network: how to make it, what goes in, what must come out.

`test_layers_promises.py` holds each row to the promises that all modules make. A module without a row fails there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tiny
import torch
from torch import Tensor, nn

from multimodel.body import Decoder, DecoderLayer, Encoder, Mixer, Source
from multimodel.layers.attention import (
    AttentionBlock,
    AverageSource,
    CrossAttention,
    MultiHeadAttention,
    NoSelfAttention,
    SelfAttention,
)
from multimodel.layers.convolution import ConvBlock, ConvStep, SepConv
from multimodel.layers.experts import DenseExpert, MixtureOfExperts, NoExperts, NoisyTopKGate
from multimodel.layers.planes import ConvRes, ConvStep2d, SepConv2d
from multimodel.layers.products import Linear
from multimodel.layers.timing import NoTiming, Timing
from multimodel.modalities.audio import AudioStack, Spectrogram, Waveform
from multimodel.modalities.category import Category, CategoryInput
from multimodel.modalities.image import Image
from multimodel.modalities.modality import Representation
from multimodel.modalities.text import Text
from multimodel.model import MultiModel

Apply = Callable[[nn.Module, Tensor], Tensor]

WIDTH = 10  # no multiple of 4: compiled products have a rest
LENGTH = 130  # more than the 113 positions that the longest ring of a causal convolution holds


@dataclass(frozen=True, kw_only=True)
class Case:
    """A module and one input of `shape`, made of symbols where `symbols` is their number.

    `causal`: output position p depends on input positions ≤ p alone. `stepwise` computes the same output one position
    at a time, for the modules that have a `step`. `precise`: the output is float32 whatever the input is.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    apply: Apply
    output: tuple[int, ...]
    causal: bool = False
    stepwise: Apply | None = None
    symbols: int = 0
    precise: bool = False

    def example(self) -> Tensor:
        """A random input."""
        return torch.randint(2, self.symbols, self.shape) if self.symbols else torch.rand(self.shape)


def source(like: Tensor) -> Source:
    """Six positions for each example to attend to, of which the last two are padding; always the same."""
    batch = like.shape[0]
    wave = torch.arange(batch * 6 * WIDTH, dtype=torch.float32).sin().view(batch, 6, WIDTH).to(like.dtype)
    mask = torch.ones(batch, 6, dtype=torch.bool)
    mask[:, 4:] = False
    return Source(wave, mask)


def real(x: Tensor, axes: int = 2) -> Tensor:
    """A mask without padding."""
    return torch.ones(x.shape[:axes], dtype=torch.bool)


def everywhere(x: Tensor) -> Tensor:
    """The same for planes, as numbers."""
    return torch.ones(*x.shape[:3], 1, dtype=x.dtype)


def called(module: nn.Module, x: Tensor) -> Tensor:
    return module(x)


def on_plane(module: nn.Module, x: Tensor) -> Tensor:
    answer = module(x, everywhere(x))
    return answer if isinstance(answer, Tensor) else answer[0]


def mixed(module: nn.Module, x: Tensor) -> Tensor:
    return module(x, real(x))[0]


def gates(module: nn.Module, x: Tensor) -> Tensor:
    routing = module(x, torch.ones(len(x), 5).cumsum(0).sin() if module.training else None)
    return torch.zeros(len(x), 5).scatter(1, routing.experts, routing.gates)


def embedded(module: nn.Module, x: Tensor) -> Tensor:
    """Text net in and out: the embedding read as if the body had written it."""
    return module.top(module.bottom(x, real(x)))


def read_plane(module: nn.Module, x: Tensor) -> Tensor:
    return module.bottom(x, real(x, 3)).x


def read_sound(module: nn.Module, x: Tensor) -> Tensor:
    return module.bottom(x, real(x)).x


def classified(module: nn.Module, x: Tensor) -> Tensor:
    return module.top(Representation(x, real(x), torch.ones(len(x), 6, 5, dtype=torch.bool)))


def asked(module: nn.Module, x: Tensor) -> Tensor:
    return module(x, source(x).encoded, source(x).mask)


def asked_stepwise(module: nn.Module, x: Tensor) -> Tensor:
    memory = module.start(source(x).encoded, source(x).mask)
    return torch.cat([module.step(x[:, p : p + 1], memory) for p in range(x.shape[1])], dim=1)


def stepped(module: nn.Module, x: Tensor) -> Tensor:
    memory = module.start(x.shape[0])
    return torch.cat([module.step(x[:, p : p + 1], memory, p) for p in range(x.shape[1])], dim=1)


def self_stepped(module: nn.Module, x: Tensor) -> Tensor:
    memory = module.start(x.shape[0], x.shape[1])
    return torch.cat([module.step(x[:, p : p + 1], memory, p) for p in range(x.shape[1])], dim=1)


def block_stepped(module: nn.Module, x: Tensor) -> Tensor:
    memory = module.start(source(x).encoded, source(x).mask, x.shape[1])
    return torch.cat([module.step(x[:, p : p + 1], memory, p) for p in range(x.shape[1])], dim=1)


def mixer_stepped(module: nn.Module, x: Tensor) -> Tensor:
    memory = module.start(source(x), x.shape[1])
    return torch.cat([module.step(x[:, p : p + 1], memory, p) for p in range(x.shape[1])], dim=1)


def decoder_stepped(module: nn.Module, x: Tensor) -> Tensor:
    memory = module.start(source(x), x.shape[1])
    steps = [module.step(x[:, p : p + 1], memory, p) for p in range(x.shape[1])]
    return torch.cat(steps, dim=1)


def translated(module: nn.Module, x: Tensor) -> Tensor:
    """Logits of the targets x."""
    return module(translation(x)).logits


def written(module: nn.Module, x: Tensor) -> Tensor:
    """The same logits, symbol by symbol."""
    task = translation(x)
    memory = module.start(module.encode(task), x.shape[1])
    steps = [module.step(task.route, x[:, p - 1 : p] if p else None, memory, p) for p in range(x.shape[1])]
    return torch.stack(steps, dim=1)


def translation(targets: Tensor) -> tiny.Batch:
    inputs = torch.arange(2, 2 + targets.shape[0] * 5).view(-1, 5) % tiny.SYMBOLS
    return tiny.Batch(
        task="en-de",
        route=tiny.ROUTES["en-de"],
        inputs=inputs,
        input_mask=real(inputs),
        targets=targets,
        target_mask=real(targets),
    )


def attention() -> MultiHeadAttention:
    return MultiHeadAttention(WIDTH, 2)


def attention_block() -> AttentionBlock:
    parts = {"self_attention": SelfAttention(attention()), "cross_attention": CrossAttention(attention())}
    return AttentionBlock(WIDTH, timing=Timing(), **parts)


def blocks(count: int, *, causal: bool) -> list[ConvBlock]:
    return [ConvBlock(WIDTH, 0.5, causal=causal) for _ in range(count)]


def experts() -> MixtureOfExperts:
    return MixtureOfExperts(WIDTH, 5, 2, 6)


def layers() -> list[DecoderLayer]:
    return [DecoderLayer(block, attention_block()) for block in blocks(2, causal=True)]


def text_model() -> MultiModel:
    nets = {"text": tiny.NETS["text"]}
    return tiny.build_model(tiny.SIZES, nets, ["to-german"])


SEQUENCE = {"shape": (2, LENGTH, WIDTH), "output": (2, LENGTH, WIDTH)}
SHORT = {"shape": (2, 12, WIDTH), "output": (2, 12, WIDTH)}
MIDDLE = {"shape": (2, 40, WIDTH), "output": (2, 40, WIDTH)}

CASES: dict[type[nn.Module], Case] = {
    Linear: Case(make=lambda: Linear(WIDTH, WIDTH), apply=called, causal=True, **SHORT),
    Timing: Case(make=Timing, apply=called, causal=True, **SHORT),
    NoTiming: Case(make=NoTiming, apply=called, causal=True, **SHORT),
    SepConv: Case(
        make=lambda: SepConv(WIDTH, 6, 15, dilation=8, causal=True),
        shape=(2, LENGTH, WIDTH),
        apply=called,
        output=(2, LENGTH, 6),
        causal=True,
        stepwise=stepped,
    ),
    ConvStep: Case(
        make=lambda: ConvStep(WIDTH, 6, 5, dilation=4, causal=True),
        shape=(2, 40, WIDTH),
        apply=called,
        output=(2, 40, 6),
        causal=True,
        stepwise=stepped,
    ),
    ConvBlock: Case(
        make=lambda: ConvBlock(WIDTH, 0.5, causal=True), apply=called, causal=True, stepwise=stepped, **SEQUENCE
    ),
    SepConv2d: Case(
        make=lambda: SepConv2d(3, 6, (3, 3), (2, 2)), shape=(2, 7, 6, 3), apply=called, output=(2, 4, 3, 6)
    ),
    ConvStep2d: Case(make=lambda: ConvStep2d(3, 6, (3, 3)), shape=(2, 7, 6, 3), apply=on_plane, output=(2, 7, 6, 6)),
    ConvRes: Case(make=lambda: ConvRes(3, 6), shape=(2, 7, 6, 3), apply=on_plane, output=(2, 4, 3, 6)),
    MultiHeadAttention: Case(
        make=attention,
        apply=lambda module, x: module(x, x, causal=True),
        causal=True,
        **SHORT,
    ),
    SelfAttention: Case(
        make=lambda: SelfAttention(attention()), apply=called, causal=True, stepwise=self_stepped, **SHORT
    ),
    NoSelfAttention: Case(make=NoSelfAttention, apply=called, causal=True, stepwise=self_stepped, **SHORT),
    CrossAttention: Case(
        make=lambda: CrossAttention(attention()), apply=asked, causal=True, stepwise=asked_stepwise, **SHORT
    ),
    AverageSource: Case(make=lambda: AverageSource(WIDTH), apply=asked, causal=True, stepwise=asked_stepwise, **SHORT),
    AttentionBlock: Case(
        make=attention_block,
        apply=lambda module, x: module(x, *source(x)),
        causal=True,
        stepwise=block_stepped,
        **MIDDLE,
    ),
    NoisyTopKGate: Case(
        make=lambda: NoisyTopKGate(WIDTH, 5, 2), shape=(20, WIDTH), apply=gates, output=(20, 5), precise=True
    ),
    MixtureOfExperts: Case(make=experts, apply=mixed, causal=True, **SHORT),
    DenseExpert: Case(make=lambda: DenseExpert(WIDTH, 12), apply=mixed, causal=True, **SHORT),
    NoExperts: Case(make=NoExperts, apply=mixed, causal=True, **SHORT),
    Text: Case(
        make=lambda: Text(11, WIDTH), shape=(2, 12), apply=embedded, output=(2, 12, 11), causal=True, symbols=11
    ),
    Image: Case(
        make=lambda: Image(3, (4, 5, 6, 7), WIDTH), shape=(2, 37, 20, 3), apply=read_plane, output=(2, 6, WIDTH)
    ),
    AudioStack: Case(
        make=lambda: AudioStack(2, (4, 5, 6), 2, 3, WIDTH),
        shape=(2, 9, 4, 2),
        apply=lambda module, x: module(x, everywhere(x)).x,
        output=(2, 12, WIDTH),
    ),
    Spectrogram: Case(
        make=lambda: Spectrogram((4, 5, 6), 2, WIDTH), shape=(2, 9, 4), apply=read_sound, output=(2, 12, WIDTH)
    ),
    Waveform: Case(make=lambda: Waveform((4, 5, 6), 3, WIDTH), shape=(2, 17), apply=read_sound, output=(2, 3, WIDTH)),
    Category: Case(make=lambda: Category(7, WIDTH), shape=(2, 30, WIDTH), apply=classified, output=(2, 1, 7)),
    CategoryInput: Case(
        make=lambda: CategoryInput(7, WIDTH), shape=(2, 1), apply=read_sound, output=(2, 1, WIDTH), symbols=7
    ),
    Encoder: Case(
        make=lambda: Encoder(Timing(), blocks(2, causal=False), experts()),
        apply=lambda module, x: module(x, real(x))[0].encoded,
        **SHORT,
    ),
    Mixer: Case(
        make=lambda: Mixer(attention_block(), blocks(2, causal=True)),
        apply=lambda module, x: module(x, source(x)),
        causal=True,
        stepwise=mixer_stepped,
        **MIDDLE,
    ),
    DecoderLayer: Case(make=lambda: layers()[0], apply=lambda module, x: module(x, source(x)), causal=True, **SHORT),
    Decoder: Case(
        make=lambda: Decoder(layers(), experts()),
        apply=lambda module, x: module(x, real(x), source(x))[0],
        causal=True,
        stepwise=decoder_stepped,
        **MIDDLE,
    ),
    MultiModel: Case(
        make=text_model,
        shape=(2, 30),
        apply=translated,
        output=(2, 30, tiny.SYMBOLS),
        causal=True,
        stepwise=written,
        symbols=tiny.SYMBOLS,
    ),
}
