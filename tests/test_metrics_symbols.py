"""Log-perplexity per symbol, and the n-gram models that a network has to beat."""

from __future__ import annotations

import math
import random
import time

import numpy as np
import pytest

from multimodel.metrics.ngrams import bigram_score, fit_bigram, unigram_score
from multimodel.metrics.symbols import SymbolScore

END = 0


def sequences(number: int, seed: int, vocabulary: int = 8) -> list[list[int]]:
    """Symbols that depend on the one before: mostly its successor, sometimes any."""
    dice = random.Random(seed)
    made = []
    for _ in range(number):
        row = [dice.randint(1, vocabulary - 1)]
        while len(row) < 12:
            row.append(row[-1] % (vocabulary - 1) + 1 if dice.random() < 0.8 else dice.randint(1, vocabulary - 1))
        made.append([*row, END])
    return made


@pytest.mark.parametrize("mean", ["log_perplexity", "accuracy"])
def test_no_symbols_have_no_mean(mean: str) -> None:
    with pytest.raises(ValueError, match="no symbols"):
        getattr(SymbolScore(0.0, 0, 0), mean)


def test_the_unigram_of_a_uniform_vocabulary_is_its_logarithm() -> None:
    even = [list(range(20))] * 3
    assert unigram_score(even, even, 20).log_perplexity == pytest.approx(math.log(20))


def test_the_unigram_counts_plus_one() -> None:
    score = unigram_score([[1, 1, 2, END]], [[1, 3, END]], 4)
    assert score.nats == pytest.approx(-math.log(3 / 8) - math.log(1 / 8) - math.log(2 / 8))
    assert (score.right, score.symbols) == (1, 3)


def test_the_bigram_of_a_cycle_is_almost_certain() -> None:
    cycle = [[1, 2, 3, 4] * 250 + [END]] * 20
    assert bigram_score(cycle, cycle, 5).log_perplexity < 0.01
    assert bigram_score(cycle, cycle, 5).accuracy > 0.998
    assert unigram_score(cycle, cycle, 5).log_perplexity > 1.3


def test_the_bigram_gives_each_history_one_whole_distribution() -> None:
    model = fit_bigram([[1, 2, 2, 5, END], [1, 2, 3, END], [6, END]], 10)
    for history in range(11):
        probabilities = model.probabilities(np.full(10, history), np.arange(10))
        assert probabilities.sum() == pytest.approx(1)
        assert (probabilities > 0).all()


def test_the_bigram_equals_kneser_ney_written_out() -> None:
    train, vocabulary = sequences(20, seed=3), 9
    pairs = [pair for row in train for pair in zip([vocabulary, *row[:-1]], row, strict=True)]
    kinds = set(pairs)

    def discount(counts: list[int]) -> float:
        return (counts.count(1) + 1) / (counts.count(1) + 2 * counts.count(2) + 2)

    def back_off(symbol: int) -> float:
        followed = [sum(after == other for _, after in kinds) for other in range(vocabulary)]
        taken = discount(followed)
        rest = taken * sum(count > 0 for count in followed) / len(kinds) / vocabulary
        return max(followed[symbol] - taken, 0) / len(kinds) + rest

    def probability(history: int, symbol: int) -> float:
        taken = discount([pairs.count(kind) for kind in kinds])
        times = sum(before == history for before, _ in pairs)
        rest = taken * sum(before == history for before, _ in kinds) / times * back_off(symbol)
        return max(pairs.count((history, symbol)) - taken, 0) / times + rest

    model = fit_bigram(train, vocabulary)
    for history, symbol in [(vocabulary, 1), (1, 2), (1, 8), (4, 1), (7, END)]:
        ours = model.probabilities(np.array([history]), np.array([symbol]))
        assert ours[0] == pytest.approx(probability(history, symbol))


def test_the_bigram_beats_the_unigram_on_sequences_with_order() -> None:
    train, test = sequences(200, seed=0), sequences(50, seed=1)
    assert bigram_score(train, test, 8).log_perplexity < unigram_score(train, test, 8).log_perplexity - 0.5
    assert bigram_score(train, test, 8).accuracy > 0.65 > 0.3 > unigram_score(train, test, 8).accuracy


def test_an_unseen_symbol_costs_much_but_not_everything() -> None:
    assert 1 < bigram_score([[1, END]], [[4, 5, END]], 6).log_perplexity < 10


def test_sequences_do_not_run_into_each_other() -> None:
    apart = fit_bigram([[1, END], [2, END], []], 3)
    assert apart.best_next[END] == END  # nothing ever followed the end, so the commonest symbol of all
    assert apart.history_counts.tolist() == [0, 1, 1, 2]


def test_symbols_outside_the_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match="test symbols must be 0…3, found 0…4"):
        unigram_score([[1, END]], [[4, END]], 4)
    with pytest.raises(ValueError, match="no training symbols"):
        bigram_score([[]], [[1, END]], 4)


def test_a_million_symbols_take_seconds() -> None:
    dice = np.random.default_rng(0)
    rows = dice.integers(0, 8000, size=(10_000, 100)).tolist()
    start = time.perf_counter()
    bigram_score(rows, rows[:1000], 8000)
    assert time.perf_counter() - start < 10  # 0.2 s on an idle core; the limit allows for a busy one
