"""One position of all blocks that write an answer, in one call: decoding with float32 on a CPU.

What is remembered of a position stays in the row where it was written. When hypotheses change places, only a table
moves: in which row each of them finds each of its positions. A source is found by the number of its example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numba import prange
from torch import Tensor

from multimodel.layers import stacks_cpu as stacks
from multimodel.layers.attention import AttentionBlock
from multimodel.layers.convolution import ConvBlock
from multimodel.layers.kernels_cpu import Threaded, one_thread
from multimodel.layers.paths import shares
from multimodel.layers.stacks_cpu import ATTEND, CONVOLVE, Part, Shape
from multimodel.layers.steps_cpu import attention_block, conv_block, mix_experts


class CompiledMemory(NamedTuple):
    """What a search keeps between two symbols; only the tables change when hypotheses change places."""

    rows: Int[Tensor, "n t"]
    """The row in which each hypothesis finds each of its positions."""
    origins: Int[Tensor, " n"]
    """The example that each hypothesis answers."""
    body: CompiledBody

    def step(self, x: Float[Tensor, "n 1 d"], position: int) -> Float[Tensor, "n 1 d"]:
        """One position of each hypothesis."""
        return self.body(x, position, self.rows, self.origins)


def start(
    parts: Sequence[Part], source: Float[Tensor, "b s d"], mask: Bool[Tensor, "b s"], limit: int
) -> CompiledMemory:
    """Memory before the first of at most `limit` positions, with one hypothesis of each example."""
    origins = torch.arange(len(source), dtype=torch.int32)
    return CompiledMemory(origins[:, None].repeat(1, limit), origins, CompiledBody(parts, source, mask, limit))


@Threaded
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _step(
    shares,
    x,
    position,
    timing,
    tables,
    program,
    dilations,
    taps,
    pointwise,
    norms,
    rings,
    own,
    keys_values,
    cross,
    source,
    last_norms,
    experts,
    out,
):
    """Take each share of the hypotheses through all parts, in their order.

    Arguments are many because what a parallel loop reads may stand in tuples of arrays, but not in tuples of these.
    """
    for share in prange(shares):
        one_thread()
        first, last = share * len(x) // shares, (share + 1) * len(x) // shares
        at = first, position, tables[0][first:last], tables[1][first:last]
        hidden, found = x[first:last].copy(), np.empty_like(x[first:last])
        for b in range(last - first):
            at[2][b, position] = first + b
        steps = dilations, taps, pointwise, norms, rings
        for part in range(len(program)):
            kind, index = program[part]
            if kind == CONVOLVE:
                conv_block(hidden, steps, index, at, found)
            elif kind == ATTEND:
                weights = own, keys_values, cross, source, last_norms
                attention_block(hidden, timing, steps, weights, index, at, found)
            else:
                mix_experts(hidden, experts, found)
            hidden, found = found, hidden
        out[first:last] = hidden


class CompiledBody:
    """Weights, and rows for what is remembered, of one search."""

    def __init__(self, parts: Sequence[Part], source: Tensor, mask: Tensor, limit: int) -> None:
        blocks = [part for part in parts if isinstance(part, ConvBlock)]
        attentions = [part for part in parts if isinstance(part, AttentionBlock)]
        self.program, self.experts = stacks.program(parts), stacks.expert_weights(parts)
        self.steps = stacks.conv_weights(blocks, attentions)
        self.own, self.cross = stacks.own_weights(attentions), stacks.cross_weights(attentions)
        self.source = stacks.read_source(attentions, source, mask)
        self.norms = stacks.norm_weights(block.norm for block in attentions)
        self.timing = attentions[0].timing(source.new_zeros(1, limit, source.shape[2]))[0].numpy()
        self.rings = tuple(map(_room, stacks.ring_shapes(self.steps)))
        keys = stacks.keys_shape(attentions, limit)
        self.keys_values = _room(keys), _room(keys)

    def __call__(self, x: Tensor, position: int, rows: Tensor, origins: Tensor) -> Float[Tensor, "n 1 d"]:
        """One position of each hypothesis."""
        if len(x) > self.rings[0].shape[1]:
            self.rings = tuple(_grown(room, len(x)) for room in self.rings)
            self.keys_values = _grown(self.keys_values[0], len(x)), _grown(self.keys_values[1], len(x))
        tables, out = (rows.numpy(), origins.numpy()), torch.empty_like(x)
        asked = shares(len(x)), x[:, 0].numpy(), position, self.timing[position], tables, self.program
        attention = self.own, self.keys_values, self.cross, self.source, self.norms
        _step(*asked, *self.steps, self.rings, *attention, self.experts, out[:, 0].numpy())
        return out


def _room(shape: Shape) -> np.ndarray:
    """For no row yet; rows come after the blocks."""
    return np.empty((shape[0], 0, *shape[1:]), np.float32)


def _grown(room: np.ndarray, rows: int) -> np.ndarray:
    """With so many rows, of which the first are as before."""
    grown = np.zeros((room.shape[0], rows, *room.shape[2:]), np.float32)
    grown[:, : room.shape[1]] = room
    return grown
