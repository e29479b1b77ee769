"""The examples of a declared task, read from their rows when they are asked for."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np

from multimodel.errors import InputError
from multimodel.sources.files import stamp
from multimodel.sources.open import WHOLE, open_data, split_name
from multimodel.sources.rows import Rows, check_column
from multimodel.sources.splits import split_of
from multimodel.sources.wording import LONGEST_WORD, one_line, shown
from multimodel.tasks.cells import held
from multimodel.tasks.columns import Column
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.task import TRAIN, Example

SPLIT = "split"
FINEST = 10**6  # shares are fractions of at most so many parts


class Examples:
    """Some rows of a source as examples; one that cannot be read raises `InputError` with its file and line."""

    def __init__(self, rows: Rows, places: np.ndarray, task: Declaration) -> None:
        self.rows = rows
        self.places = places
        self.task = task

    @property
    def fingerprint(self) -> str:
        """Words that change with the data, with the files that its cells name, and with the choice of rows."""
        columns = (self.task.input.column, self.task.output.column)
        digest = hashlib.blake2b(self.places.tobytes())
        for path in self._files():
            digest.update(stamp(path))
        return f"{self.rows.fingerprint} {columns} {digest.hexdigest()}"

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Example]:
        return (self[place] for place in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Examples: ...
    def __getitem__(self, place: int | slice) -> Example | Examples:
        if isinstance(place, slice):
            return Examples(self.rows, self.places[place], self.task)
        row = int(self.places[place])
        return Example(self.name(row), self._raw(row, self.task.input), self._raw(row, self.task.output))

    def joined(self, others: Examples) -> Examples:
        """These and other rows of the same source."""
        return Examples(self.rows, np.union1d(self.places, others.places), self.task)

    def name(self, row: int) -> str:
        """The cell of the column `id`, or else where the row stands, from the folder of the data."""
        if self.task.id is None:
            where = self.rows.where(row).removeprefix(f"{self.task.folder}/")
            return one_line(where.removeprefix(f"{self.task.folder.absolute()}/"))
        try:
            return one_line(_text(self.rows.cell(row, self.task.id)), LONGEST_WORD)
        except InputError as error:
            raise InputError(one_line(f"{self.rows.where(row)}: {error}")) from error

    def column(self, column: Column) -> Iterator[Any]:
        """The raw data of one column; what cannot be read is passed over, as in encoding."""
        for row in self.places.tolist():
            try:
                yield self._raw(row, column)
            except InputError:
                continue

    def _raw(self, row: int, column: Column) -> Any:
        try:
            return column.raw(self.rows.cell(row, column.column), partial(self.rows.file, row))
        except InputError as error:
            raise InputError(one_line(f"{self.rows.where(row)}: column {column.column!r}: {error}")) from error

    def _files(self) -> Iterator[Path]:
        """Every file that the cells of the input name."""
        if _names_files(self.rows, self.task.input):
            for row in self.places.tolist():
                name = held(_cell(self.rows, row, self.task.input.column))
                if isinstance(name, str):
                    yield self.rows.file(row, name)


def not_kept(name: str) -> InputError:
    """What to say of a task whose data only Python can give."""
    return InputError(f"The data of task {name} was given in Python and is not kept: give the task again.")


def open_examples(task: Declaration) -> dict[str, Examples]:
    """The examples of every split that has any; raises `InputError` for data that is missing, or lacks a column."""
    found: dict[str, Examples] = {}
    for split, rows in _opened(task).items():
        for column in (task.input.column, task.output.column, task.split, task.id):
            if column is not None:
                check_column(rows, column, f"The data of task {task.name}")
        if split == WHOLE:
            found.update(_divided(rows, task))
        elif len(rows):
            found[split] = Examples(rows, np.arange(min(len(rows), task.limit or len(rows))), task)
    return found


def _opened(task: Declaration) -> Mapping[str, Rows]:
    if task.data is None:
        raise not_kept(task.name)
    try:
        return open_data(task.data, task.folder, task.layout, task.limit)
    except (InputError, OSError) as error:
        why = f"{error.filename} cannot be read: {error.strerror}." if isinstance(error, OSError) else error
        raise InputError(one_line(f"Task {task.name}: {why} {task.hint}".strip())) from error


def _divided(rows: Rows, task: Declaration) -> dict[str, Examples]:
    """Rows by the column `split`, or by a hash of what tells them apart."""
    column = task.split or (SPLIT if SPLIT in rows.columns else None)
    told_by = _told_by(rows, task)
    share = Fraction(task.held_out).limit_denominator(FINEST)
    places: dict[str, array[int]] = {}  # not lists, as there may be millions of rows
    for row in range(min(len(rows), task.limit or len(rows))):
        split = _given(rows, row, column) if column else split_of(_told(rows, row, told_by), share)
        places.setdefault(split, array("q")).append(row)
    return {split: Examples(rows, np.array(found), task) for split, found in places.items()}


def _given(rows: Rows, row: int, column: str) -> str:
    """What the column `split` says; a damaged row is one of training, where it will be named."""
    try:
        word = rows.cell(row, column)
    except InputError:
        return TRAIN
    try:
        return split_name(_text(word))
    except InputError as error:
        raise InputError(one_line(f"{rows.where(row)}: column {column!r}: {error}")) from error


def _told_by(rows: Rows, task: Declaration) -> str | None:
    """The column whose cells divide the rows: the input if it is text or paths, else the id, else an output in words.

    Bytes of pictures and sounds are left alone: to look at all of them takes too long.
    """
    if task.input.tells_apart or _names_files(rows, task.input):
        return task.input.column
    return task.id or (task.output.column if task.output.tells_apart else None)


def _told(rows: Rows, row: int, column: str | None) -> str:
    """The cell to divide by, the number of the row where there is none."""
    cell = None if column is None else held(_cell(rows, row, column))
    return f"row {row}" if cell is None else _text(cell)


def _names_files(rows: Rows, column: Column) -> bool:
    """Whether the cells are paths, as the first that can be read is."""
    cells = (held(_cell(rows, row, column.column)) for row in range(len(rows)))
    return column.reads_files and isinstance(next((cell for cell in cells if cell is not None), None), str)


def _cell(rows: Rows, row: int, column: str) -> Any:
    """A cell, `None` where the row is damaged."""
    try:
        return rows.cell(row, column)
    except InputError:
        return None


def _text(cell: Any) -> str:
    """A cell as Python writes it, or in other words where it cannot."""
    try:
        return str(cell)
    except (ValueError, RecursionError):
        return shown(cell)
