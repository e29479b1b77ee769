"""Rows of named cells: what every source of data is read as, whatever its format."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from multimodel.errors import InputError
from multimodel.sources.wording import LONGEST_WORD, one_line, shown

SHOWN = 20  # names in a message
SPARSE = 4  # a column that fewer than one row in so many has is kept without the empty cells


@runtime_checkable
class Rows(Protocol):
    """A sequence of rows; a cell is read when it is asked for, so that data may be larger than memory."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""

    @property
    def fingerprint(self) -> str:
        """Words that change when the data changes."""

    def __len__(self) -> int:
        """How many rows there are."""

    def cell(self, row: int, column: str) -> Any:
        """One cell; raises `InputError` if this row is damaged."""

    def where(self, row: int) -> str:
        """The place of a row as a user finds it: file and line."""

    def file(self, row: int, name: str) -> Path:
        """The path of a file that a cell of this row names."""


class Table:
    """Columns in memory; `damaged` says of rows that cannot be used why."""

    def __init__(
        self,
        cells: Mapping[str, Sequence[Any]],
        fingerprint: str,
        *,
        places: Sequence[str] | None = None,
        folder: Path | None = None,
        damaged: Mapping[int, str] | None = None,
    ) -> None:
        self.cells = cells
        self.columns = tuple(cells)
        self.fingerprint = fingerprint
        self._length = len(next(iter(cells.values()), ()))
        self._places = places
        self._folder = folder or Path()
        self.damaged = damaged or {}

    def __len__(self) -> int:
        return self._length

    def cell(self, row: int, column: str) -> Any:
        """One cell."""
        if row in self.damaged:
            raise InputError(self.damaged[row])
        return self.cells[column][row]

    def where(self, row: int) -> str:
        """The place it was given, or the number of the row from 0."""
        return self._places[row] if self._places else f"row {row}"

    def file(self, row: int, name: str) -> Path:
        """Beside the data."""
        return self._folder / name


class Sparse(Sequence[Any]):
    """A column that few rows have: `None` in all others."""

    def __init__(self, length: int) -> None:
        self.values: dict[int, Any] = {}
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, row: Any) -> Any:
        if not -self._length <= row < self._length:
            raise IndexError(row)
        return self.values.get(row % self._length)


def columns_of(records: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """Dicts as columns; a row that lacks a column has `None` there.

    Memory grows with the cells that are given, even where each of a million rows names a column of its own.
    """
    counts = Counter(name for record in records for name in record)
    rare = {name: Sparse(len(records)) for name, count in counts.items() if count * SPARSE < len(records)}
    for row, record in enumerate(records) if rare else ():
        for name in record:
            if name in rare:
                rare[name].values[row] = record[name]
    return {str(name): rare.get(name) or [record.get(name) for record in records] for name in counts}


class Joined:
    """Several sources with the same columns, one after the other."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        if not parts:
            raise InputError("There are no data files here.")
        self.parts = parts
        known = [set(part.columns) for part in parts]
        self.columns = tuple(column for column in parts[0].columns if all(column in names for names in known))
        self.fingerprint = " ".join(part.fingerprint for part in parts)
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + len(part))

    def __len__(self) -> int:
        return self._starts[-1]

    def cell(self, row: int, column: str) -> Any:
        """A cell of the part that the row belongs to."""
        part, own = self._find(row)
        return part.cell(own, column)

    def where(self, row: int) -> str:
        """As the part says it."""
        part, own = self._find(row)
        return part.where(own)

    def file(self, row: int, name: str) -> Path:
        """Beside the part that the row belongs to."""
        part, own = self._find(row)
        return part.file(own, name)

    def _find(self, row: int) -> tuple[Rows, int]:
        number = bisect_right(self._starts, row) - 1
        return self.parts[number], row - self._starts[number]


def file_fingerprint(path: Path) -> str:
    """Path, size and time of change: two files that differ in content almost surely differ in these."""
    found = path.stat()
    return f"{path.resolve()}:{found.st_size}:{found.st_mtime_ns}"


def content_fingerprint(values: Sequence[Any]) -> str:
    """A digest of values in memory, the same in every process."""
    return _digest(values).hex()


def _digest(value: Any) -> bytes:
    """Of bytes, words, numbers, arrays and pictures, and of lists and mappings of these.

    What `repr` says of an array are its ends, and of a picture where in memory it lies.
    """
    if hasattr(value, "getpalette"):  # a Pillow image
        value = value.__getstate__()
    elif hasattr(value, "__array__"):
        array = np.asarray(value)
        value = array.tolist() if array.dtype == object else [array.dtype.str, array.shape, array.tobytes()]
    if isinstance(value, Mapping):
        value = list(value.items())
    if isinstance(value, list | tuple | Sparse):
        kind, content = b"list", b"".join(map(_digest, value))
    else:
        kind, content = (b"bytes", value) if isinstance(value, bytes) else (b"words", _written(value))
    return hashlib.blake2b(content, digest_size=16, person=kind).digest()


def _written(value: Any) -> bytes:
    """As Python writes it; what it cannot write so are whole numbers of thousands of digits."""
    try:
        return repr(value).encode()
    except ValueError:
        return hex(value).encode() if isinstance(value, int) else b""


def nearest(word: str, known: Sequence[str]) -> str:
    """Did you mean …? and all that there are, or the first of many, as the end of a message."""
    if not known:
        return "there are none."
    close = get_close_matches(word[:LONGEST_WORD], [name for name in known if len(name) <= LONGEST_WORD], n=1)
    more = f" … ({len(known):,} in all)" if len(known) > SHOWN else ""
    all_of_them = f"choose from {', '.join(one_line(name, LONGEST_WORD) for name in known[:SHOWN])}{more}."
    return f"did you mean {shown(close[0])}? If not, {all_of_them}" if close else all_of_them


def check_column(rows: Rows, column: str, where: str) -> None:
    """Raise `InputError` naming the nearest column where this one is missing."""
    if column not in rows.columns:
        raise InputError(f"{where} has no column {shown(column)}: {nearest(column, rows.columns)}")
