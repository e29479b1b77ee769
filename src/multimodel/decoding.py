"""Greedy and beam search with incremental state: constant work per symbol, stop at the end of sequence."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multimodel.batch import Batch, Route
from multimodel.layers.attention import SourceKeysValues
from multimodel.layers.paths import threads_for_steps
from multimodel.model import Encoded, MultiModel

END = 1
PADDING = 0
LENGTH_PENALTY = 0.6
MOST_SYMBOLS = 4096  # of any answer: there is room for a whole one before its first symbol
BLOCK = 64  # symbols

Nested = TypeVar("Nested")


class Hypotheses(NamedTuple):
    """Symbols without end and padding for each example, best first, and the log-probability of each."""

    symbols: list[list[list[int]]]
    scores: Float[Tensor, "b k"]


def reorder(memory: Nested, rows: Int[Tensor, " n"], *, within: bool = False) -> Nested:
    """The same nested tuples with row i of every tensor taken from row `rows[i]`; what is no tensor stays.

    `within` says that rows only change places within an example: what all its hypotheses share stays too.
    """
    if isinstance(memory, Tensor):
        return memory.index_select(0, rows)  # type: ignore[return-value]
    if not isinstance(memory, tuple) or (within and isinstance(memory, SourceKeysValues)):
        return memory
    children = [reorder(child, rows, within=within) for child in memory]
    return type(memory)(*children) if hasattr(memory, "_fields") else type(memory)(children)


def length_limits(encoded: Encoded, limit: int | None, least: int = 0) -> Int[Tensor, "b 1"]:
    """Most symbols to write: three for each real input position and 32 more, or `least` if that is more.

    The caller's `limit` is never passed. Each example has its own, so that what is written never depends on the
    examples beside it.
    """
    most = MOST_SYMBOLS if limit is None else min(limit, MOST_SYMBOLS)
    return (3 * encoded.source.mask.sum(1, keepdim=True) + 32).clamp(min=least, max=most)


@torch.no_grad()
def classes(model: MultiModel, batch: Batch) -> tuple[Int[Tensor, "b c"], Float[Tensor, "b c"]]:
    """All classes of each example, likeliest first, and their probabilities."""
    chances = model.classify(batch.route, model.encode(batch))[:, 0].float().softmax(dim=1)
    best, order = chances.sort(dim=1, descending=True)
    return order, best


@torch.no_grad()
def beam(model: MultiModel, batch: Batch, width: int, limit: int | None = None, least: int = 0) -> Hypotheses:
    """Beam search with the limits of length that `length_limits` sets; width 1 is greedy."""
    encoded = model.encode(batch)
    return search(model, batch.route, encoded, width, length_limits(encoded, limit, least))


@torch.no_grad()
def search(model: MultiModel, route: Route, encoded: Encoded, width: int, limits: Int[Tensor, "b 1"]) -> Hypotheses:
    """Beam search (Wu et al. 2016's length penalty, 0.6) over answers of at most `limits` symbols.

    Ended hypotheses stay in the beam at their score; the search ends when every beam of every example has ended.
    """
    examples, longest, device = len(limits), int(limits.max()), limits.device
    first = torch.arange(examples, device=device).repeat_interleave(width)
    memory = reorder(model.start(encoded, longest), first)
    scores = torch.full((examples, width), -torch.inf, device=device)
    scores[:, 0] = 0
    written = torch.full((examples * width, longest), PADDING, device=device)
    ended = torch.zeros(examples, width, dtype=torch.bool, device=device)
    with threads_for_steps(scores.flatten()):
        for position in range(longest):
            previous = written[:, position - 1 : position] if position else None
            logits = model.step(route, previous, memory, position)
            if width == 1:
                chosen, scores = continued(logits, scores, ended)
            else:
                chosen, parents, scores = extend(logits, scores, ended)
                rows = (first.view(examples, width) * width + parents).flatten()
                memory, written, ended = reorder(memory, rows, within=True), written[rows], ended.gather(1, parents)
            written[:, position] = chosen.flatten()
            ended = ended | (chosen == END) | (position + 1 == limits)
            if bool(ended.all()):
                break
    return ranked(written.view(examples, width, longest), scores)


def continued(
    logits: Float[Tensor, "n v"], scores: Float[Tensor, "n 1"], ended: Bool[Tensor, "n 1"]
) -> tuple[Int[Tensor, "n 1"], Float[Tensor, "n 1"]]:
    """The likeliest continuation of each example, as `extend` finds it where beams are of one: symbols and scores."""
    steps = logits.float().log_softmax(-1)
    steps[:, PADDING] = -torch.inf
    gains, symbols = steps.max(1, keepdim=True)
    return symbols.masked_fill(ended, PADDING), scores + gains.masked_fill(ended, 0.0)


def extend(
    logits: Float[Tensor, "n v"], scores: Float[Tensor, "b k"], ended: Bool[Tensor, "b k"]
) -> tuple[Int[Tensor, "b k"], Int[Tensor, "b k"], Float[Tensor, "b k"]]:
    """The k best continuations of each example: their symbols, the beams they continue, their log-probabilities.

    Padding is never written by a live hypothesis; an ended one continues with padding at no cost.
    """
    examples, width = scores.shape
    steps = logits.float().log_softmax(-1)
    steps[:, PADDING] = -torch.inf
    gains, symbols = (found.view(examples, width, -1) for found in highest(steps, min(width, steps.shape[1])))
    gains = gains.masked_fill(ended[:, :, None], -torch.inf)
    gains[:, :, 0] = torch.where(ended, 0.0, gains[:, :, 0])
    symbols = symbols.masked_fill(ended[:, :, None], PADDING)
    best, index = (scores[:, :, None] + gains).flatten(1).topk(width, dim=1)
    return symbols.flatten(1).gather(1, index), index // symbols.shape[2], best


def highest(rows: Float[Tensor, "n v"], count: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
    """The `count` highest numbers of each row, highest first, and where they stand.

    They stand in the blocks with the highest maxima. Of many rows, torch finds these in a tenth of the time of `topk`.
    """
    if len(rows) < 4 or rows.shape[1] % BLOCK:
        return rows.topk(count, dim=1)
    blocks = rows.view(len(rows), -1, BLOCK)
    chosen = blocks.amax(2).topk(min(count, blocks.shape[1]), dim=1).indices
    inside = blocks.gather(1, chosen[:, :, None].expand(-1, -1, BLOCK)).flatten(1)
    best, places = inside.topk(count, dim=1)
    return best, chosen.gather(1, places // BLOCK) * BLOCK + places % BLOCK


def ranked(written: Int[Tensor, "b k t"], scores: Float[Tensor, "b k"]) -> Hypotheses:
    """Hypotheses by score over length penalty, without end and padding."""
    lengths = (written != PADDING).sum(-1)
    penalised = scores / ((5 + lengths) / 6) ** LENGTH_PENALTY
    order = penalised.argsort(dim=1, descending=True, stable=True)
    rows = [
        [[symbol for symbol in written[example, beam].tolist() if symbol > END] for beam in order[example].tolist()]
        for example in range(written.shape[0])
    ]
    return Hypotheses(rows, scores.gather(1, order))
