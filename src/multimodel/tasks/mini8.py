"""The eight tasks of the paper on small free data: the Parquet files that `multimodel data build mini8` makes.

Speech to text, image classes, captions, parsing and four directions of translation. The two directions of one language
pair use the same pairs and the same split. The input of parsing is the plain sentence, its output the symbols of the
tree without the words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from pyarrow import ArrowException, Table

from multimodel.errors import InputError
from multimodel.tasks.audio import Spectrogram
from multimodel.tasks.category import Category
from multimodel.tasks.features import Feature
from multimodel.tasks.image import Image
from multimodel.tasks.task import TRAIN, Example, Task
from multimodel.tasks.text import Text
from multimodel.tasks.tree import Tree, tree_symbols
from multimodel.tasks.vocabulary import Vocabulary, train_vocabulary

BUILD = "make the data with `multimodel data build mini8`"
TEXTS = {"speech": ("text",), "caption": ("text",), "parse": ("text",), "en-de": ("en", "de"), "en-fr": ("en", "fr")}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of the data as the model sees them: symbols, pixels and seconds."""

    vocabulary: int = 4096
    max_symbols: int = 128
    max_tree_symbols: int = 256
    class_side: int = 28
    caption_side: int = 64
    sample_rate: int = 8000
    frequency_bins: int = 16
    max_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a task of mini8 comes from: a file, its two columns, and what they are."""

    file: str
    given: str
    wanted: str
    command: str
    measure: str


SOURCES = {
    "speech": Source(file="speech", given="audio", wanted="text", command="to-transcript", measure="transcript"),
    "imageclass": Source(file="imageclass", given="image", wanted="label", command="to-class", measure="class"),
    "caption": Source(file="caption", given="image", wanted="text", command="to-caption", measure="caption"),
    "parse": Source(file="parse", given="text", wanted="tree", command="to-parse-tree", measure="tree"),
    "en-de": Source(file="en-de", given="en", wanted="de", command="to-german", measure="translation"),
    "de-en": Source(file="en-de", given="de", wanted="en", command="to-english", measure="translation"),
    "en-fr": Source(file="en-fr", given="en", wanted="fr", command="to-french", measure="translation"),
    "fr-en": Source(file="en-fr", given="fr", wanted="en", command="to-english", measure="translation"),
}
NAMES = tuple(SOURCES)


def load_mini8(
    folder: Path,
    names: Sequence[str] = NAMES,
    settings: Settings | None = None,
    vocabulary: Vocabulary | None = None,
) -> tuple[Vocabulary, tuple[Task, ...]]:
    """The tasks called `names`, in that order, with all their examples, and their vocabulary.

    Without a vocabulary one is trained on the training text of all eight tasks, whichever are asked for, so that runs
    on some of them can be compared. Raises `InputError` for an unknown task, and for missing or damaged files.
    """
    for name in names:
        if name not in SOURCES:
            raise InputError(f"mini8 has no task {name!r}: choose from {', '.join(NAMES)}.")
    settings = settings or Settings()
    vocabulary = vocabulary or _train(folder, settings.vocabulary)
    classes = _classes(folder)
    makers = _features(settings, vocabulary, classes)
    return vocabulary, tuple(_task(folder, name, makers[name], classes) for name in names)


def _train(folder: Path, size: int) -> Vocabulary:
    """Text and symbols of trees of all training examples."""
    return train_vocabulary(_training_texts(folder), _tree_symbols(folder), size)


def _tree_symbols(folder: Path) -> set[str]:
    """All that stand in training trees; raises `InputError` naming a tree that cannot be read."""
    found: set[str] = set()
    for row in _read(folder, "parse", ["id", "tree", "split"]).to_pylist():
        if row["split"] != TRAIN:
            continue
        try:
            found.update(tree_symbols(row["tree"]))
        except InputError as error:
            raise InputError(f"{folder / 'parse.parquet'}, example {row['id']}: {error}") from error
    return found


def _training_texts(folder: Path) -> Iterator[str]:
    for file, columns in TEXTS.items():
        for column in columns:
            yield from _column(folder, file, column)


def _column(folder: Path, file: str, column: str) -> list[Any]:
    """A column of the training split."""
    rows = _read(folder, file, [column, "split"]).to_pylist()
    return [row[column] for row in rows if row["split"] == TRAIN]


def _features(settings: Settings, vocabulary: Vocabulary, classes: Sequence[str]) -> dict[str, tuple[Feature, Feature]]:
    """Input and output of each task."""
    text = Text(tokenizer=vocabulary, max_length=settings.max_symbols)
    tree = Tree(tokenizer=vocabulary, max_length=settings.max_tree_symbols)
    sound = Spectrogram(
        sample_rate=settings.sample_rate, bins=settings.frequency_bins, max_seconds=settings.max_seconds
    )
    grey = Image(height=settings.class_side, width=settings.class_side, channels=1)
    colour = Image(height=settings.caption_side, width=settings.caption_side)
    translation = dict.fromkeys(("en-de", "de-en", "en-fr", "fr-en"), (text, text))
    return {
        "speech": (sound, text),
        "imageclass": (grey, Category(names=tuple(classes), net="fashion")),
        "caption": (colour, text),
        "parse": (text, tree),
        **translation,
    }


def _task(folder: Path, name: str, features: tuple[Feature, Feature], classes: Sequence[str]) -> Task:
    source = SOURCES[name]
    wanted: Callable[[Any], Any] = classes.__getitem__ if source.measure == "class" else str
    examples: dict[str, list[Example]] = {}
    for row in _read(folder, source.file, ["id", source.given, source.wanted, "split"]).to_pylist():
        example = Example(str(row["id"]), row[source.given], wanted(row[source.wanted]))
        examples.setdefault(row["split"], []).append(example)
    return Task(
        name=name,
        input=features[0],
        output=features[1],
        command=source.command,
        measure=source.measure,
        examples=examples,
    )


def _classes(folder: Path) -> tuple[str, ...]:
    path = folder / "mini8.json"
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["classes"]))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: {BUILD}.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): {BUILD} anew.") from error


def _read(folder: Path, file: str, columns: list[str]) -> Table:
    path = folder / f"{file}.parquet"
    try:
        return parquet.read_table(path, columns=columns)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: {BUILD}.") from error
    except (OSError, ArrowException, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}): {BUILD} anew.") from error
