"""The blocks of the body on random inputs, at a preset's sizes, and the work that each is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from multimodel.benchmark.floors import Work, attention_operations, depthwise_operations, linear_operations
from multimodel.benchmark.models import with_gates
from multimodel.benchmark.setting import precision
from multimodel.build import CROSS_ATTENTIONS, MIXTURES, SELF_ATTENTIONS
from multimodel.layers.attention import AttentionBlock
from multimodel.layers.convolution import ConvBlock, ConvStep, float_mask
from multimodel.layers.depthwise import centre
from multimodel.layers.timing import Timing
from multimodel.loss import smoothed_cross_entropy
from multimodel.modalities.modality import Representation
from multimodel.modalities.text import Text
from multimodel.parameters import parameters
from multimodel.presets import Preset

LENGTH = 32  # positions of a sequence; as many in the source
BLOCK = ((3, 1), (3, 1), (15, 1), (15, 8))  # kernel and dilation
ATTENTION = ((5, 1), (5, 4))


@dataclass(frozen=True, kw_only=True)
class Block:
    """A module on random inputs: `call` computes its outputs, `inputs` get gradients, `optimised` adds Adam's step."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    call: Callable[[], tuple[Tensor, ...]]
    work: Work
    optimised: bool = False


Make = Callable[[Preset, torch.device], Block]


def sequences(preset: Preset) -> int:
    """Sequences in a batch of half source and half target positions, as large as the preset's."""
    return max(1, preset.training.batch_cost // (2 * LENGTH))


def random_input(preset: Preset, device: torch.device) -> Tensor:
    """A batch of vectors that ask for gradients."""
    return torch.randn(sequences(preset), LENGTH, preset.model.width, device=device, requires_grad=True)


def padding_mask(preset: Preset, device: torch.device) -> Bool[Tensor, "b t"]:
    """Sequences of half to all of the length."""
    lengths = torch.randint(LENGTH // 2, LENGTH + 1, (sequences(preset), 1), device=device)
    return torch.arange(LENGTH, device=device) < lengths


def conv_operations(x: Tensor, taps: tuple[tuple[int, int], ...], *, causal: bool) -> int:
    """Of ConvSteps one after another."""
    batch, length, width = x.shape
    return sum(
        depthwise_operations(batch, length, width, kernel, dilation, centre(kernel, causal))
        + linear_operations(batch * length, width, width)
        for kernel, dilation in taps
    )


def conv_step(kernel: int, dilation: int, causal: bool, preset: Preset, device: torch.device) -> Block:
    """One ConvStep; a centred one with a mask."""
    width, x = preset.model.width, random_input(preset, device)
    step = ConvStep(width, width, kernel, dilation=dilation, causal=causal).to(device)
    mask = None if causal else float_mask(padding_mask(preset, device), x)
    operations = conv_operations(x, ((kernel, dilation),), causal=causal)
    work = Work(operations, x.numel(), x.numel(), parameters(step))
    return Block(module=step, inputs=(x,), call=lambda: (step(x, mask),), work=work)


def conv_block(causal: bool, preset: Preset, device: torch.device) -> Block:
    """One ConvBlock; a centred one with a mask."""
    x = random_input(preset, device)
    block = ConvBlock(preset.model.width, preset.model.dropout, causal=causal).to(device)
    mask = None if causal else float_mask(padding_mask(preset, device), x)
    work = Work(conv_operations(x, BLOCK, causal=causal), x.numel(), x.numel(), parameters(block))
    return Block(module=block, inputs=(x,), call=lambda: (block(x, mask),), work=work)


def attention_block(preset: Preset, device: torch.device) -> Block:
    """One AttentionBlock, its source as long as its target."""
    sizes, target, source = preset.model, random_input(preset, device), random_input(preset, device)
    block = AttentionBlock(
        sizes.width,
        timing=Timing(),
        self_attention=SELF_ATTENTIONS["causal"](sizes),
        cross_attention=CROSS_ATTENTIONS["attention"](sizes),
    ).to(device)
    mask = padding_mask(preset, device)
    batch, length, width = target.shape
    operations = (
        conv_operations(target, ATTENTION, causal=True)
        + 8 * linear_operations(batch * length, width, width)
        + attention_operations(batch, length * (length + 1) // 2, width)
        + attention_operations(batch, length * length, width)
    )
    work = Work(operations, 2 * target.numel(), target.numel(), parameters(block))
    return Block(module=block, inputs=(target, source), call=lambda: (block(target, source, mask),), work=work)


def experts(count: int, positions: int, preset: Preset, device: torch.device) -> Block:
    """A mixture of `count` experts with gates that differ; weights of experts that nobody asks are not counted."""
    sizes = replace(preset.model, experts=count)
    x = torch.randn(1, positions, sizes.width, device=device, requires_grad=True)
    mask = torch.ones(1, positions, dtype=torch.bool, device=device)
    mixture = with_gates(MIXTURES["experts"](sizes)).to(device)

    def call() -> tuple[Tensor, ...]:
        mixed, uses = mixture(x, mask)
        return mixed, *(use.balance for use in uses)

    expert = 2 * sizes.width * sizes.expert_width
    gate = linear_operations(positions, sizes.width, count)  # and as much again for the noise of training
    operations = gate + positions * sizes.experts_used * 2 * expert
    idle = max(0, count - positions * sizes.experts_used) * expert
    work = Work(operations, x.numel(), x.numel(), parameters(mixture) - idle, only_trained=gate)
    return Block(module=mixture, inputs=(x,), call=call, work=work, optimised=True)


def text_loss(preset: Preset, device: torch.device) -> Block:
    """From the decoder's output to the loss: the text net's output layer and label-smoothed cross-entropy."""
    x, vocabulary = random_input(preset, device), preset.data.vocabulary
    text = Text(vocabulary, preset.model.width).to(device)
    text.embedding.requires_grad_(False)
    mask = torch.ones(x.shape[:2], dtype=torch.bool, device=device)
    labels = torch.randint(2, vocabulary, (mask.numel(),), device=device)

    def call() -> tuple[Tensor, ...]:
        logits = text.top(Representation(x, mask, mask.unsqueeze(2)))
        return (smoothed_cross_entropy(logits.flatten(0, 1), labels, preset.training.label_smoothing).sum(),)

    operations = linear_operations(mask.numel(), preset.model.width, vocabulary)
    work = Work(operations, x.numel(), 1, text.output.numel())
    return Block(module=text, inputs=(x,), call=call, work=work)


def pointwise(preset: Preset, device: torch.device) -> Block:
    """A ConvStep's matrix product alone, nothing cast before or after it."""
    width, dtype = preset.model.width, precision(preset, device)
    x = random_input(preset, device).detach().to(dtype).requires_grad_()
    linear = nn.Linear(width, width, bias=False, device=device, dtype=dtype)
    work = Work(linear_operations(x.numel() // width, width, width), x.numel(), x.numel(), parameters(linear))
    return Block(module=linear, inputs=(x,), call=lambda: (linear(x),), work=work)
