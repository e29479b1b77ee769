"""The trivial models of symbol sequences that a network has to beat: a unigram and a Kneser–Ney bigram.

Sequences end with their end symbol, as the network's targets do, and every model gives its probability to the same
`vocabulary` symbols as the network, so log-perplexities compare directly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from multimodel.metrics.symbols import SymbolScore

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bigram:
    """An interpolated Kneser–Ney bigram as tables; the start of a sequence is the history number `vocabulary`.

    `pairs` are the seen pairs as history · vocabulary + symbol, in order, with their `counts`. A history of
    `history_counts` symbols leaves the share `left_over` to `back_off`, a distribution over all symbols.
    """

    vocabulary: int
    discount: float
    pairs: Integers
    counts: Integers
    history_counts: Integers
    left_over: Floats
    back_off: Floats
    best_next: Integers

    def probabilities(self, histories: Integers, symbols: Integers) -> Floats:
        """The probability of each symbol after its history."""
        wanted = histories * self.vocabulary + symbols
        at = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        seen = np.where(self.pairs[at] == wanted, self.counts[at] - self.discount, 0.0)
        return seen / np.maximum(self.history_counts[histories], 1) + self.left_over[histories] * self.back_off[symbols]


def unigram_score(train: Iterable[Sequence[int]], test: Iterable[Sequence[int]], vocabulary: int) -> SymbolScore:
    """Score `test` by how often symbols occur in `train`, plus one each; the guess is always the commonest symbol."""
    _, seen = _histories_and_symbols(train, vocabulary, "training")
    _, symbols = _histories_and_symbols(test, vocabulary, "test")
    counts = np.bincount(seen, minlength=vocabulary)
    nats = -np.log((counts[symbols] + 1) / (len(seen) + vocabulary))
    return SymbolScore(float(nats.sum()), int((symbols == counts.argmax()).sum()), len(symbols))


def bigram_score(train: Iterable[Sequence[int]], test: Iterable[Sequence[int]], vocabulary: int) -> SymbolScore:
    """Score `test` by a Kneser–Ney bigram of `train`; the guess is the symbol that most often followed the last one."""
    model = fit_bigram(train, vocabulary)
    histories, symbols = _histories_and_symbols(test, vocabulary, "test")
    nats = -np.log(model.probabilities(histories, symbols))
    return SymbolScore(float(nats.sum()), int((symbols == model.best_next[histories]).sum()), len(symbols))


def fit_bigram(train: Iterable[Sequence[int]], vocabulary: int) -> Bigram:
    """Count pairs; back off to the number of histories that a symbol follows, and from there to the uniform."""
    histories, symbols = _histories_and_symbols(train, vocabulary, "training")
    pairs, counts = np.unique(histories * vocabulary + symbols, return_counts=True)
    pair_histories, pair_symbols = np.divmod(pairs, vocabulary)
    history_counts = np.bincount(histories, minlength=vocabulary + 1)
    kinds_after = np.bincount(pair_histories, minlength=vocabulary + 1)
    discount = _discount(counts)
    return Bigram(
        vocabulary=vocabulary,
        discount=discount,
        pairs=pairs,
        counts=counts,
        history_counts=history_counts,
        left_over=np.where(history_counts > 0, discount * kinds_after / np.maximum(history_counts, 1), 1.0),
        back_off=_discounted(np.bincount(pair_symbols, minlength=vocabulary)),
        best_next=_best_next(pair_histories, pair_symbols, counts, np.bincount(symbols, minlength=vocabulary)),
    )


def _discounted(counts: Integers) -> Floats:
    """A distribution from counts by absolute discounting, the rest spread evenly."""
    discount = _discount(counts)
    left_over = discount * np.count_nonzero(counts) / counts.sum()
    return np.maximum(counts - discount, 0) / counts.sum() + left_over / len(counts)


def _discount(counts: Integers) -> float:
    """Ney's n₁ / (n₁ + 2n₂), smoothed by one so that it is never 0 (nothing would be left over) and never 1."""
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return (once + 1) / (once + 2 * twice + 2)


def _best_next(histories: Integers, symbols: Integers, counts: Integers, unigram: Integers) -> Integers:
    """The commonest symbol after each history, ties to the lower number; after unseen ones the commonest of all."""
    order = np.lexsort((symbols, -counts, histories))
    known, first = np.unique(histories[order], return_index=True)
    best = np.full(len(unigram) + 1, unigram.argmax(), dtype=np.int64)
    best[known] = symbols[order][first]
    return best


def _histories_and_symbols(sequences: Iterable[Sequence[int]], vocabulary: int, name: str) -> tuple[Integers, Integers]:
    """All symbols in a row, and before each the one that precedes it or `vocabulary` at a start."""
    kept = [sequence for sequence in sequences if len(sequence)]
    symbols = np.fromiter(itertools.chain.from_iterable(kept), dtype=np.int64)
    if not len(symbols):
        raise ValueError(f"no {name} symbols to count")
    if symbols.min() < 0 or symbols.max() >= vocabulary:
        raise ValueError(f"{name} symbols must be 0…{vocabulary - 1}, found {symbols.min()}…{symbols.max()}")
    histories = np.concatenate(([vocabulary], symbols[:-1]))
    histories[np.cumsum([len(sequence) for sequence in kept[:-1]], dtype=np.int64)] = vocabulary
    return histories, symbols
