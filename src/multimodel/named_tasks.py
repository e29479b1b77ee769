"""Tasks by what a user says: a name, the path of a YAML file, a declaration; and the tasks of a run by the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from multimodel.errors import InputError
from multimodel.folders import mini8_folder
from multimodel.sources.rows import nearest
from multimodel.tasks import mini8
from multimodel.tasks.columns import column_json
from multimodel.tasks.declaration import Declaration, read_declaration
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Task
from multimodel.training.run_config import RunConfig

YAML = (".yaml", ".yml")


def declare(
    tasks: Sequence[Declaration | str], settings: DataSettings, folder: Path | None = None
) -> list[Declaration]:
    """Tasks by their words: those of mini8, in this folder or the cache, by name, others by the path of a YAML file."""
    return [_declared(task, settings, folder) for task in read_words(tasks)]


def read_words(tasks: Sequence[Declaration | str]) -> list[Declaration | str]:
    """The same, files that are named read."""
    return [read_declaration(Path(task)) if isinstance(task, str) and task.endswith(YAML) else task for task in tasks]


def task_name(task: Declaration | str) -> str:
    """Of a declaration, or the name itself."""
    return task.name if isinstance(task, Declaration) else task


def check_word(word: str) -> None:
    """Raise `InputError` for a word that is neither a task of mini8 nor the path of a YAML file."""
    if not word.endswith(YAML) and word not in mini8.NAMES:
        raise InputError(f"There is no task {word!r}: name a YAML file, or {nearest(word, mini8.NAMES)}")


def _declared(task: Declaration | str, settings: DataSettings, folder: Path | None) -> Declaration:
    if isinstance(task, Declaration):
        return task
    check_word(task)
    return mini8.declarations(folder or mini8_folder(), [task], settings)[0]


def named(config: RunConfig, tasks: Sequence[Declaration | str]) -> list[Task]:
    """The run's tasks of these names, or all of them, without examples; what is declared now says where these are.

    Raises `InputError` for a name that the run lacks, and for a task of the run's name that is another one.
    """
    read = read_words(tasks)
    given = {task.name: task for task in read if isinstance(task, Declaration)}
    chosen = config.named([task_name(task) for task in read]) if read else config.tasks
    return [_found_at(task, given[task.name]) if task.name in given else task for task in chosen]


def with_data(config: RunConfig, tasks: Sequence[Declaration | str], folder: Path | None = None) -> list[Task]:
    """The run's tasks of these names, or all of them, with their examples: read again, or as they are given now."""
    return [mini8.found_again(task, folder) for task in named(config, tasks)]


def _found_at(task: Task, given: Declaration) -> Task:
    """The run's task with the data that is given now, which must be what the run's was: its features stay."""
    kept = task.origin
    if kept is not None:
        by_file = kept.data is not None  # else the rows come from Python, where columns may be called as one likes
        now, then = _sides(given, by_file), _sides(kept, by_file)
        if now != then:
            raise InputError(
                f"Task {task.name} of this run goes from {then[0]} to {then[1]}, not from {now[0]} to {now[1]}: "
                "declare it as it was."
            )
    return dataclasses.replace(task, origin=given)


def _sides(one: Declaration, whole: bool) -> list[Any]:
    """Input and output with all that was said of them, or their kinds alone."""
    return [column_json(side) if whole else side.kind for side in (one.input, one.output)]
