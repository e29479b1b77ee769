"""Tables in files: CSV and TSV with a header line, JSON lines, and Parquet of any size."""

from __future__ import annotations

import csv
import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from pyarrow import ArrowException, ChunkedArray, Schema, types
from pyarrow import Table as ArrowTable

from multimodel.errors import InputError
from multimodel.sources.files import check_regular, regular_size
from multimodel.sources.rows import SHOWN, Joined, Rows, Table, columns_of, file_fingerprint
from multimodel.sources.wording import LONGEST_WORD, one_line

LONGEST_CELL = 2**31 - 1  # what a C long holds everywhere
MOST_FILLED = 10_000_000  # empty cells put into lines that are too short: a short line and a long header cost nothing
ROWS_PER_BYTE = 8  # of a Parquet file: only rows that are all alike take less, and a claimed row costs memory
LARGEST_GROUP = 2**30  # bytes of one column of a row group, unpacked: a few kilobytes can repeat a text without end
FEWEST, MOST = 64, 1024  # rows unpacked at a time before their size is looked at: fewer take longer
END = "end"  # a row of its own after the last one, unless a quotation mark is still open there


def read_csv(path: Path) -> Table:
    """A file with commas, read whole; quotes may hold line breaks."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(chain(_lines(path, ""), [END]))
    rows, started = [], 1
    try:
        for row in reader:
            if row:
                rows.append((started, row))
            started = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {started}: {error}.") from error
    number, last = rows.pop()
    if last != [END]:
        raise InputError(f"{path}, line {number}: a quotation mark opens a cell here that is never closed: close it.")
    return _with_header(path, rows)


def read_tsv(path: Path) -> Table:
    """A file with tabs, read whole; a quotation mark is a letter like any other."""
    lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(_lines(path), 1))
    return _with_header(path, [(number, line.split("\t")) for number, line in lines if line])


def read_jsonl(path: Path) -> Table:
    """One JSON object a line."""
    records: list[dict[str, Any]] = []
    places, damaged = [], {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        places.append(f"{path}, line {number}")
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("it is no object in braces")
        except (ValueError, RecursionError) as error:
            damaged[len(records)] = f"This line is no JSON object: {one_line(str(error), LONGEST_WORD)}."
            record = {}
        records.append(record)
    if len(damaged) == len(records):
        why = damaged.get(0, "It is empty.")
        raise InputError(f'{path} must hold JSON objects, one a line, as in {{"text": "Good!"}}. {why}')
    return Table(columns_of(records), file_fingerprint(path), places=places, folder=path.parent, damaged=damaged)


def read_lines(path: Path, column: str) -> Table:
    """Plain text, one example a line."""
    lines = [line.rstrip("\r\n") for line in _lines(path)]
    return _table(path, (column,), list(enumerate(([line] for line in lines), 1)))


class Parquet:
    """A Parquet file, of which one row group of a column is in memory at a time: `kept`, which files may share.

    A field of a structure is a column, too: `{"a": {"b": …}}` has the columns `a` and `a.b`.
    """

    def __init__(self, path: Path, kept: dict[str, tuple[Path, int, ChunkedArray]] | None = None) -> None:
        try:
            check_regular(path)
            with parquet.ParquetFile(path) as opened:
                self._metadata, schema = opened.metadata, opened.schema_arrow
            names = schema.names
            sizes = [self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups)]
            if min(sizes, default=0) < 0:
                raise ValueError("a row group of less than no rows")
            if sum(sizes) > ROWS_PER_BYTE * regular_size(path):
                raise ValueError(f"{sum(sizes):,} rows are too many for a file of this size")
        except (OSError, ArrowException, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is damaged or no Parquet file ({_why(error)}).") from error
        check_names(path, names)
        self.path = path
        self._ways = ways(schema)
        self.columns = tuple(self._ways)
        self.fingerprint = file_fingerprint(path)
        self._starts = [0, *accumulate(sizes)]
        self._kept = {} if kept is None else kept

    def __len__(self) -> int:
        return self._starts[-1]

    def cell(self, row: int, column: str) -> Any:
        """One cell; raises `InputError` if its row group is damaged."""
        group = bisect_right(self._starts, row) - 1
        top, *fields = self._ways[column]
        try:
            if self._kept.get(column, ())[:2] != (self.path, group):
                self._kept.pop(column, None)  # before the next one is read: there is room for one
                self._kept[column] = (self.path, group, self._read(group, column).column(top))
            return inside(self._kept[column][2][row - self._starts[group]].as_py(), fields)
        except (OSError, ArrowException, ValueError, OverflowError, LookupError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.path} is damaged ({_why(error)}).") from error

    def _read(self, group: int, column: str) -> ArrowTable:
        """One column of a row group; the file is open no longer than that, as there may be thousands."""
        found = self._metadata.row_group(group)
        safe = LARGEST_GROUP // max(1, found.total_byte_size)  # rows: none is larger than what is stored of all
        with parquet.ParquetFile(self.path, metadata=self._metadata) as opened:
            if found.num_rows <= safe:
                return opened.read_row_group(group, [column])
            parts, size = [], 0
            for part in opened.iter_batches(min(max(safe, FEWEST), MOST), row_groups=[group], columns=[column]):
                parts.append(part)
                size += part.nbytes
                if size > LARGEST_GROUP:
                    raise InputError(
                        f"{self.path}: more than {LARGEST_GROUP // 2**20} MiB of column {one_line(column)!r} are in "
                        "one row group: write the file anew with smaller ones."
                    )
        return ArrowTable.from_batches(parts)

    def where(self, row: int) -> str:
        """File and row, counted from 0."""
        return f"{self.path}, row {row}"

    def file(self, row: int, name: str) -> Path:
        """Beside the file."""
        return self.path.parent / name


READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": Parquet,
}


def read_table(path: Path) -> Rows:
    """The reader for this ending; raises `InputError` for a missing file and for other endings."""
    check_regular(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} has an ending that is not read: give one of {', '.join(READERS)}.")
    return reader(path)


def read_tables(paths: Sequence[Path]) -> Rows:
    """Several tables, one after the other."""
    kept: dict[str, tuple[Path, int, ChunkedArray]] = {}
    return Joined([Parquet(path, kept) if path.suffix.lower() == ".parquet" else read_table(path) for path in paths])


def ways(schema: Schema) -> dict[str, tuple[str, ...]]:
    """Every column and, after those, every field of a structure by its name with dots: the names on the way to it."""
    found: dict[str, tuple[str, ...]] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((field.name,), field.type) for field in schema]
    for way, kind in waiting:
        found.setdefault(".".join(way), way)
        if types.is_struct(kind):
            waiting.extend(((*way, field.name), field.type) for field in kind)
    return found


def inside(value: Any, fields: Sequence[str]) -> Any:
    """The field of a structure that a way ends at, `None` where there is none."""
    for field in fields:
        value = None if value is None else value[field]
    return value


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raise `InputError` where two columns have one name."""
    if len(set(names)) < len(names):
        more = " …" if len(names) > SHOWN else ""
        raise InputError(f"{path} names a column twice: {one_line(', '.join(names[:SHOWN]))}{more}.")


def _with_header(path: Path, rows: Sequence[tuple[int, list[str]]]) -> Table:
    if not rows:
        raise InputError(f"{path} is empty: its first line must name the columns.")
    names = rows[0][1]
    if not _unicode(names):
        raise InputError(f"{path} is not UTF-8: write it anew as UTF-8.")
    check_names(path, names)
    return _table(path, tuple(names), rows[1:])


def _table(path: Path, names: tuple[str, ...], rows: Sequence[tuple[int, list[str]]]) -> Table:
    """Numbered lines as columns; those with too few or too many cells, or bytes that are not UTF-8, are damaged."""
    damaged: dict[int, str] = {}
    room = MOST_FILLED
    for place, (_, row) in enumerate(rows):
        if len(row) != len(names):
            room -= max(0, len(names) - len(row))
            if room < 0:
                raise InputError(
                    f"{path}: its first line names {len(names):,} columns, and {len(damaged):,} lines have fewer "
                    "cells: give every line as many."
                )
            damaged[place] = f"This line has {len(row)} cells, and the first line names {len(names)} columns."
            row.extend([""] * (len(names) - len(row)))
        elif not _unicode(row):
            damaged[place] = "This line is not UTF-8."
    cells = {name: [row[column] for _, row in rows] for column, name in enumerate(names)}
    places = [f"{path}, line {number}" for number, _ in rows]
    return Table(cells, file_fingerprint(path), places=places, folder=path.parent, damaged=damaged)


def _unicode(row: Sequence[str]) -> bool:
    """Whether these cells came from UTF-8."""
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines(path: Path, newline: str = "\n") -> Iterator[str]:
    """Lines as they are; bytes that are not UTF-8 are kept as lone surrogates and found later, row by row."""
    check_regular(path)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline) as opened:
            yield from opened
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _why(error: Exception) -> str:
    return one_line(str(error), LONGEST_WORD)
