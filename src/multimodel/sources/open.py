"""Any data a task may name, as rows by split: files, folders, the hub, or values in Python."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from multimodel.errors import InputError
from multimodel.sources.aligned import read_aligned
from multimodel.sources.corpora import CORPORA
from multimodel.sources.folders import METADATA, read_folder
from multimodel.sources.hub import SAVED, open_hub, open_saved, opened
from multimodel.sources.rows import Joined, Rows, Table, columns_of, content_fingerprint, nearest
from multimodel.sources.splits import SPLITS
from multimodel.sources.tables import READERS, read_table, read_tables
from multimodel.sources.wording import shown

HUB = "hub:"
WHOLE = ""  # the split of data that is not divided yet


def open_data(data: Any, folder: Path, layout: str | None = None, limit: int | None = None) -> dict[str, Rows]:
    """Rows by split, or all of them under `WHOLE`.

    `data` is a path relative to `folder` (a table, many of them by a pattern, a folder of classes, a corpus whose
    `layout` is named), a list of aligned text files, `hub:NAME`, a sequence of mappings, a data frame, a data set of
    the library `datasets`, or a mapping of splits to any of these. Raises `InputError` for what is none of them.
    """
    if isinstance(data, Mapping) and not _of_datasets(data):
        return _named(data, folder, layout, limit)
    found = _open(data, folder, layout, limit)
    if not isinstance(found, Mapping):
        return {WHOLE: found}
    return _by_split(found)


def split_name(word: str) -> str:
    """`train`, `dev` or `test`; raises `InputError` for other words."""
    split = SPLITS.get(word.strip().lower())
    if split is None:
        raise InputError(f"There is no split {shown(word)}: {nearest(word, tuple(SPLITS))}")
    return split


def _by_split(found: Mapping[str, Rows]) -> dict[str, Rows]:
    """Those that are called like a split, else those that begin so together, as `train.100` and `train.360`."""
    called: dict[str, list[Rows]] = {}
    begun: dict[str, list[Rows]] = {}
    for name, rows in found.items():
        called.setdefault(SPLITS.get(name.lower(), WHOLE), []).append(rows)
        begun.setdefault(_first_word(name), []).append(rows)
    splits: dict[str, Rows] = {split: Joined(parts) for split, parts in {**begun, **called}.items() if split != WHOLE}
    if not splits:
        raise InputError(f"The data has the splits {', '.join(found)}: one must be named train.")
    return splits


def _first_word(name: str) -> str:
    """The split that a name begins with, `WHOLE` if it begins otherwise."""
    return SPLITS.get(re.split(r"[-_. ]", name.lower())[0], WHOLE)


def _named(data: Mapping[Any, Any], folder: Path, layout: str | None, limit: int | None) -> dict[str, Rows]:
    """A mapping of splits, each given once."""
    found: dict[str, Rows] = {}
    for word, part in data.items():
        split = split_name(word if isinstance(word, str) else shown(word))
        if split in found:
            raise InputError(f"The data gives the split {split} twice, as {' and '.join(map(str, data))}.")
        found[split] = _one(part, folder, layout, limit)
    return found


def _one(data: Any, folder: Path, layout: str | None, limit: int | None) -> Rows:
    """The rows of one split."""
    found = _open(data, folder, layout, limit)
    if isinstance(found, Mapping):
        if len(found) > 1:
            raise InputError(f"{data} has splits of its own ({', '.join(found)}): give it without naming a split.")
        return next(iter(found.values()))
    return found


def _open(data: Any, folder: Path, layout: str | None, limit: int | None) -> Mapping[str, Rows] | Rows:
    if isinstance(data, str) and data.startswith(HUB):
        return open_hub(data.removeprefix(HUB), limit)
    if isinstance(data, str | Path):
        return _path(_place(folder, data), layout)
    if isinstance(data, Sequence) and data and all(isinstance(part, str | Path) for part in data):
        paths = [_place(folder, part) for part in data]
        if any(path.suffix.lower() in READERS for path in paths):
            return read_tables(paths)
        return read_aligned(paths)
    return _values(data, folder, limit)


def _place(folder: Path, name: str | Path) -> Path:
    """`~` is the home of the user."""
    return folder / (Path(name).expanduser() if str(name).startswith("~/") else name)


def _path(path: Path, layout: str | None) -> Mapping[str, Rows] | Rows:
    if layout is not None:
        if layout not in CORPORA:
            raise InputError(f"There is no layout {shown(layout)}: {nearest(layout, tuple(CORPORA))}")
        return CORPORA[layout](path)
    if any(letter in path.name for letter in "*?[") and not os.path.exists(path):
        if "**" in path.name:  # all folders below, which may be those of the whole disk
            raise InputError(f"The pattern {shown(path.name)} is not read: name one folder, as in part/*.csv.")
        return _shards(path.parent, _not_hidden(path.parent.glob(path.name)), path.name)
    if not os.path.isdir(path):
        return read_table(path)
    if any((path / name).is_file() for name in SAVED):
        return open_saved(path)
    tables = [found for found in _not_hidden(path.iterdir()) if found.is_file() and found.suffix.lower() in READERS]
    if tables and not any(found.name in METADATA for found in tables):
        return _by_name(path, tables)
    return read_folder(path)


def _not_hidden(paths: Iterable[Path]) -> list[Path]:
    """Without hidden files, sorted."""
    return sorted(path for path in paths if not path.name.startswith("."))


def _shards(folder: Path, paths: Sequence[Path], pattern: str) -> Rows:
    if not paths:
        raise InputError(f"No file in {folder} is named like {pattern}.")
    return read_tables(paths)


def _by_name(folder: Path, paths: Sequence[Path]) -> Mapping[str, Rows] | Rows:
    """Tables of one folder: by split where their names begin with one, as in `train-0001.parquet`."""
    splits: dict[str, list[Path]] = {}
    for path in paths:
        splits.setdefault(_first_word(path.name), []).append(path)
    if len(splits) > 1 and WHOLE in splits:
        names = ", ".join(path.name for path in paths)
        raise InputError(
            f"Some tables of {folder} are named by their split and some are not ({names}): "
            "name all of them so, or give a path for each split."
        )
    joined = {split: read_tables(found) for split, found in splits.items()}
    return joined.get(WHOLE, joined)


def _of_datasets(data: Any) -> bool:
    """Whether these are data sets of the library `datasets`, which may not be installed."""
    return hasattr(data, "cast_column")


def _values(data: Any, folder: Path, limit: int | None) -> Mapping[str, Rows] | Rows:
    """Values in Python."""
    if _of_datasets(data) and isinstance(data, Mapping):
        return {split: opened(part, limit) for split, part in data.items()}
    if _of_datasets(data):
        return opened(data, limit)
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        return _frame(data, folder)
    if not isinstance(data, Iterable):
        raise InputError(f"Examples cannot be read from {type(data).__name__}: give a path, or a list of dicts.")
    records = list(data if isinstance(data, Sequence) else islice(data, limit))
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise InputError("Examples in Python are a list of dicts, one for each, and there must be at least one.")
    return _table(columns_of(records), folder)


def _frame(data: Any, folder: Path) -> Table:
    """A data frame of pandas, or of a library like it."""
    names = [str(name) for name in data.columns]
    if len(set(names)) < len(names):
        raise InputError(f"The data frame names a column twice: {', '.join(names)}.")
    return _table({str(name): list(data[name]) for name in data.columns}, folder)


def _table(columns: Mapping[str, Sequence[Any]], folder: Path) -> Table:
    return Table(columns, content_fingerprint([columns]), folder=folder)
