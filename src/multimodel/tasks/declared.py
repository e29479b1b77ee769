"""Declared tasks become tasks: their data is opened, their vocabulary trained, their classes counted."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from multimodel.errors import InputError
from multimodel.tasks.columns import Column, Context
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.examples import Examples, not_kept, open_examples
from multimodel.tasks.features import Feature
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import TRAIN, Task
from multimodel.tasks.tree import tree_symbols
from multimodel.tasks.vocabulary import Vocabulary, train_vocabulary

LONGEST_RUN = 1000  # letters without a gap: the time to learn subwords grows with the square of it
_RUNS = re.compile(r"\s+|\S+")


def declared_tasks(
    declarations: Sequence[Declaration],
    settings: DataSettings,
    vocabulary: Vocabulary | None = None,
    read_too: Sequence[Declaration] = (),
) -> tuple[Vocabulary, tuple[Task, ...]]:
    """The tasks with their examples, and the vocabulary that they share.

    Without a vocabulary one is trained on the training text of these tasks and of those to `read_too`. Raises
    `InputError` for data that is missing, or has no training examples.
    """
    for place, one in enumerate(declarations):
        if any(one.name == other.name for other in declarations[:place]):
            raise InputError(f"There are two tasks named {one.name}: give each its own name.")
    opened = {one.name: open_examples(one) for one in declarations}
    if vocabulary is None:
        others = [one for one in read_too if one.name not in opened]
        read = [*zip(declarations, opened.values(), strict=True), *((one, open_examples(one)) for one in others)]
        vocabulary = _train([(one, splits[TRAIN]) for one, splits in read if TRAIN in splits], settings.vocabulary)
    return vocabulary, tuple(_task(one, opened[one.name], settings, vocabulary) for one in declarations)


def with_examples(task: Task, folder: Path | None = None) -> Task:
    """A task of a run with its examples, read where it was declared, or in another folder; raises `InputError`."""
    if task.origin is None:
        raise not_kept(task.name)
    origin = dataclasses.replace(task.origin, folder=folder) if folder else task.origin
    return dataclasses.replace(task, origin=origin, examples=open_examples(origin))


def _task(one: Declaration, examples: Mapping[str, Examples], settings: DataSettings, vocabulary: Vocabulary) -> Task:
    train = examples.get(TRAIN)
    if train is None:
        raise InputError(f"Task {one.name} has no training examples.")

    def feature(column: Column, given: bool) -> Feature:
        values = partial(train.column, column)
        return column.feature(
            Context(task=one.name, given=given, settings=settings, vocabulary=vocabulary, values=values)
        )

    return Task(
        name=one.name,
        input=feature(one.input, True),
        output=feature(one.output, False),
        command=one.task_command,
        measure=one.task_measure,
        rate=one.rate,
        examples=examples,
        origin=one,
    )


def _train(opened: Iterable[tuple[Declaration, Examples]], size: int) -> Vocabulary:
    """Text and symbols of trees of all training examples; each cell of a column that two tasks read is read once."""
    found: dict[tuple[str, str, str], tuple[Examples, Column]] = {}
    for one, examples in opened:
        for column in (one.input, one.output):
            key = (examples.rows.fingerprint, column.column, column.adds)
            found[key] = (found[key][0].joined(examples) if key in found else examples, column)
    read = (text for examples, column in found.values() if column.adds == "texts" for text in examples.column(column))
    texts = (piece for text in read for piece in _pieces(text))
    trees = (tree for examples, column in found.values() if column.adds == "trees" for tree in examples.column(column))
    return train_vocabulary(texts, {symbol for tree in trees for symbol in _symbols(tree)}, size)


def _pieces(text: str) -> Sequence[str]:
    """The text, cut where a word or a gap in it is so long that counting its pairs would take minutes."""
    if len(text) <= LONGEST_RUN or max(map(len, _RUNS.findall(text))) <= LONGEST_RUN:
        return (text,)
    return [text[start : start + LONGEST_RUN] for start in range(0, len(text), LONGEST_RUN)]


def _symbols(tree: str) -> Sequence[str]:
    """What stands in a tree, nothing if it cannot be read: encoding will name it."""
    try:
        return tree_symbols(tree)
    except InputError:
        return ()
