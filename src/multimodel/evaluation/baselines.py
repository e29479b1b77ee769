"""The trivial baseline of each task: what a model scores that never looks at its input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from multimodel.metrics import MEASURES
from multimodel.metrics.classes import by_frequency
from multimodel.metrics.ngrams import bigram_score, unigram_score
from multimodel.metrics.right_branching import fit_right_branching
from multimodel.tasks.encoded import Encoded
from multimodel.tasks.task import TRAIN, Example, Task
from multimodel.trees import read_tree, words, write_tree


def symbol_baselines(task: Task, train: Encoded, test: Encoded) -> dict[str, float]:
    """Log-perplexity and accuracy of unigrams and bigrams, or of the classes' frequencies, on the targets alone."""
    size = task.output.spec.size
    unigram = unigram_score(_symbols(train), _symbols(test), size)
    if task.measure == "class":
        return {"unigram_log_perplexity": unigram.log_perplexity, "unigram_accuracy": unigram.accuracy}
    bigram = bigram_score(_symbols(train), _symbols(test), size)
    return {
        "unigram_log_perplexity": unigram.log_perplexity,
        "unigram_accuracy": unigram.accuracy,
        "bigram_log_perplexity": bigram.log_perplexity,
        "bigram_accuracy": bigram.accuracy,
    }


def answer_baseline(task: Task, train: Encoded, examples: list[Example]) -> dict[str, float]:
    """The measure of right-branching trees, or of ranking the classes by frequency; empty for other tasks."""
    if task.measure == "class":
        ranking = by_frequency([task.output.decode(output.tolist()) for output in train.outputs])
        guesses: list[Any] = [ranking] * len(examples)
    elif task.measure == "tree":
        parser = fit_right_branching(read_tree(example.output) for example in _kept(task, train))
        guesses = [write_tree(parser.parse(words(read_tree(example.output)))) for example in examples]
    else:
        return {}
    return MEASURES[task.measure](guesses, [example.output for example in examples])


def _kept(task: Task, train: Encoded) -> Iterator[Example]:
    """The training examples that could be encoded."""
    return (task.examples[TRAIN][int(row)] for row in train.rows)


def _symbols(encoded: Encoded) -> list[list[int]]:
    return [output.tolist() for output in encoded.outputs]
