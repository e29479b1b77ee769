"""Weights of the blocks that write an answer, stacked by kind of block as compiled steps read them; inputs come first.

They are copied but for those of experts: a search that began before they changed would not see them change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodel.layers.attention import AttentionBlock, CrossAttention, SelfAttention
from multimodel.layers.convolution import ConvBlock
from multimodel.layers.experts import DenseExpert, Experts, MixtureOfExperts, NoExperts
from multimodel.layers.lanes_cpu import LANES

Part = ConvBlock | AttentionBlock | Experts
Arrays = tuple[np.ndarray, ...]
Steps = tuple[tuple[int, ...], Arrays, Arrays, Arrays]
Shape = tuple[int, ...]

CONVOLVE, ATTEND, MIX = range(3)
KINDS = {ConvBlock: CONVOLVE, AttentionBlock: ATTEND, MixtureOfExperts: MIX, DenseExpert: MIX}


def program(parts: Iterable[Part]) -> np.ndarray:
    """The kind of each part, and its number among those of its kind."""
    kinds = [KINDS[type(part)] for part in parts if not isinstance(part, NoExperts)]
    return np.array([(kind, kinds[:place].count(kind)) for place, kind in enumerate(kinds)])


def stacked(tensors: Iterable[Tensor]) -> np.ndarray:
    """One after another, along a first axis."""
    return torch.stack(list(tensors)).detach().numpy()


def turned(matrices: Iterable[Tensor]) -> np.ndarray:
    """The same of transposed matrices."""
    return torch.stack(list(matrices)).detach().transpose(1, 2).contiguous().numpy()


def norm_weights(norms: Iterable[nn.LayerNorm]) -> np.ndarray:
    """Gain and bias of each."""
    pairs = stacked(row for norm in norms for row in (norm.weight, norm.bias))
    return pairs.reshape(-1, 2, pairs.shape[1])


def conv_weights(blocks: Sequence[ConvBlock], attentions: Sequence[AttentionBlock]) -> Steps:
    """Of each of the four steps of all ConvBlocks, and of the two of all AttentionBlocks: dilation, taps with a row
    for each, pointwise weights, norms."""
    columns = [
        *zip(*((block.step1, block.step2, block.step3, block.step4) for block in blocks), strict=True),
        *zip(*((block.step1, block.step2) for block in attentions), strict=True),
    ]
    return (
        tuple(column[0].conv.dilation for column in columns),
        tuple(turned(step.conv.depthwise for step in column) for column in columns),
        tuple(turned(step.conv.pointwise.weight for step in column) for column in columns),
        tuple(norm_weights(step.norm for step in column) for column in columns),
    )


def ring_shapes(steps: Steps) -> list[Shape]:
    """Blocks, as many places as the filters reach back, width, of each step."""
    shapes = [taps.shape for taps in steps[1]]
    return [
        (blocks, (size - 1) * dilation + 1, width)
        for dilation, (blocks, size, width) in zip(steps[0], shapes, strict=True)
    ]


def _affine(blocks: Sequence[Sequence[nn.Linear]]) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases of layers side by side, for each block."""
    weights = turned(torch.cat([layer.weight for layer in layers]) for layers in blocks)
    return weights, stacked(torch.cat([layer.bias for layer in layers]) for layers in blocks)


def own_weights(blocks: Sequence[AttentionBlock]) -> tuple[np.ndarray, ...]:
    """Of self-attention: query, key and value side by side, then the output; of no blocks where it is left out."""
    own = [block.self_attention.attention for block in blocks if isinstance(block.self_attention, SelfAttention)]
    if not own:
        matrices, rows = np.empty((0, 0, 0), np.float32), np.empty((0, 0), np.float32)
        return matrices, rows, matrices, rows
    return *_affine([(x.query, x.key, x.value) for x in own]), *_affine([(x.output,) for x in own])


def keys_shape(blocks: Sequence[AttentionBlock], limit: int) -> Shape:
    """Blocks, positions, heads, lanes of self-attention's keys."""
    own = [block.self_attention.attention for block in blocks if isinstance(block.self_attention, SelfAttention)]
    heads = own[0].heads if own else 1
    return len(own), limit, heads, _lanes(blocks[0].norm.weight.shape[0] // heads)


def cross_weights(blocks: Sequence[AttentionBlock]) -> tuple[np.ndarray, ...]:
    """Query, then output; an average is attention to one position, whatever is asked."""
    cross = [block.cross_attention for block in blocks]
    asking = [(x.attention.query if isinstance(x, CrossAttention) else x.output,) for x in cross]
    answering = [(x.attention.output if isinstance(x, CrossAttention) else x.output,) for x in cross]
    return *_affine(asking), *_affine(answering)


def read_source(
    blocks: Sequence[AttentionBlock], source: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"]
) -> tuple[np.ndarray, ...]:
    """Keys and values of the source for each block, (b, position, head, lane), and which positions are real."""
    read = [block.cross_attention.start(source, mask) for block in blocks]
    real = source.new_ones(len(source), 1, dtype=torch.bool) if read[0].mask is None else mask
    return stacked(_laid(x.keys) for x in read), stacked(_laid(x.values) for x in read), real.contiguous().numpy()


def _laid(x: Float[Tensor, "b h s c"]) -> Float[Tensor, "b s h lanes"]:
    """What belongs to a position side by side, with zeros up to whole vectors."""
    return F.pad(x.transpose(1, 2), (0, _lanes(x.shape[3]) - x.shape[3]))


def _lanes(size: int) -> int:
    """Of a head with so many channels."""
    return -(-size // LANES) * LANES


def expert_weights(parts: Iterable[Part]) -> tuple[np.ndarray | int, ...]:
    """Gate, how many are used, both matrices, the norm; a dense net is one expert that is always chosen."""
    for part in parts:
        if isinstance(part, MixtureOfExperts):
            gate, used = part.gate.gate.detach(), min(part.gate.used, len(part.hidden))
            return (
                gate.numpy(),
                used,
                part.hidden.detach().numpy(),
                part.output.detach().numpy(),
                norm_weights([part.norm])[0],
            )
        if isinstance(part, DenseExpert):
            hidden, output = turned([part.hidden.weight]), turned([part.output.weight])
            return np.zeros((hidden.shape[1], 1), np.float32), 1, hidden, output, norm_weights([part.norm])[0]
    matrix, matrices = np.empty((0, 0), np.float32), np.empty((0, 0, 0), np.float32)
    return matrix, 0, matrices, matrices, matrix
