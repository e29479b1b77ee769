"""The eight tasks of the paper on small free data: the Parquet files that `multimodel data build mini8` makes.

Speech to text, image classes, captions, parsing and four directions of translation. The two directions of one language
pair use the same pairs and the same split. The input of parsing is the plain sentence, its output the symbols of the
tree without the words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from multimodel.errors import InputError
from multimodel.folders import MINI8_INDEX
from multimodel.sources.rows import nearest
from multimodel.tasks.columns import Audio, Category, Column, Image, Text, Tree
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.declared import declared_tasks, with_examples
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Task
from multimodel.tasks.vocabulary import Vocabulary

BUILD = "Make the data with `multimodel data build mini8`."
NAMES = ("speech", "imageclass", "caption", "parse", "en-de", "de-en", "en-fr", "fr-en")


def declarations(folder: Path, names: Sequence[str] = NAMES, settings: DataSettings | None = None) -> list[Declaration]:
    """The tasks called `names`, in that order; raises `InputError` for an unknown one, and where mini8 is not built."""
    for name in names:
        if name not in NAMES:
            raise InputError(f"mini8 has no task {name!r}: {nearest(name, NAMES)}")
    sides = _sides((settings or DataSettings()).class_side, _classes(folder / MINI8_INDEX))
    return [_declaration(folder, name, *sides[name]) for name in names]


def outline(folder: Path, name: str) -> Declaration:
    """A task before mini8 is built, when the names of its classes are not known."""
    return _declaration(folder, name, *_sides(DataSettings().class_side, ("first", "second"))[name])


def read_tasks(
    declared: Sequence[Declaration], settings: DataSettings, vocabulary: Vocabulary | None = None
) -> tuple[Vocabulary, tuple[Task, ...]]:
    """The tasks with their examples, and their vocabulary.

    Without a vocabulary one is trained. Where a task is one of mini8 it is that of all eight: runs on some of them can
    be compared.
    """
    folders = [one.folder for one in declared if declares_mini8(one)]
    siblings = declarations(folders[0], NAMES, settings) if folders else []
    return declared_tasks(declared, settings, vocabulary, siblings)


def found_again(task: Task, folder: Path | None) -> Task:
    """A task of a run with its examples; one of mini8 from this folder, where one is given."""
    return with_examples(task, folder if is_mini8(task) else None)


def is_mini8(task: Task) -> bool:
    """Whether a task's data is that of mini8."""
    return task.origin is not None and declares_mini8(task.origin)


def declares_mini8(one: Declaration) -> bool:
    """Whether this is a task of mini8: it has the name, the command, the file and the columns of one."""
    known = one.name in NAMES and isinstance(one.data, str)  # a data frame cannot be compared
    return known and _marks(one) == _marks(outline(one.folder, one.name))


def _marks(one: Declaration) -> tuple[object, ...]:
    """What is the same in every run on a task; options, such as the size of pictures, are not."""
    sides = [(side.kind, side.column) for side in (one.input, one.output)]
    return one.data, one.layout, one.split, one.id, one.task_command, *sides


def _sides(side: int, classes: Sequence[str]) -> dict[str, tuple[Column, Column, str]]:
    """What goes in, what comes out, and the command."""
    return {
        "speech": (Audio("audio"), Text("text"), "to-transcript"),
        "imageclass": (
            Image("image", side=side, grey=True),
            Category("label", classes=classes, net="fashion"),
            "to-class",
        ),
        "caption": (Image("image"), Text("text"), "to-caption"),
        "parse": (Text("text"), Tree("tree"), "to-parse-tree"),
        "en-de": (Text("en"), Text("de"), "to-german"),
        "de-en": (Text("de"), Text("en"), "to-english"),
        "en-fr": (Text("en"), Text("fr"), "to-french"),
        "fr-en": (Text("fr"), Text("en"), "to-english"),
    }


def _declaration(folder: Path, name: str, given: Column, wanted: Column, command: str) -> Declaration:
    file = {"de-en": "en-de", "fr-en": "en-fr"}.get(name, name)
    return Declaration(
        name=name,
        data=f"{file}.parquet",
        input=given,
        output=wanted,
        command=command,
        split="split",
        id="id",
        folder=folder,
        hint=BUILD,
    )


def _classes(path: Path) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["classes"]))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist. {BUILD}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}). {BUILD}") from error
