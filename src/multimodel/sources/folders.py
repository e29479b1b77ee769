"""Folders of pictures or recordings: the class is the name of the folder, or a table beside the files tells more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from multimodel.errors import InputError
from multimodel.sources.files import stamp
from multimodel.sources.rows import Rows, Table
from multimodel.sources.splits import SPLITS
from multimodel.sources.tables import read_table
from multimodel.sources.wording import one_line

FILE, CLASS, SPLIT = "file", "class", "split"
METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")


def read_folder(folder: Path) -> Rows:
    """Columns `file` and `class`, and `split` where the folders of the classes stand in folders named by split.

    Where the folder holds a `metadata` table (CSV, TSV, JSONL or Parquet), that table is read instead: its cells name
    files beside it. Hidden files are passed over; links to files that are gone are kept, to be named. Raises
    `InputError` if there is neither, and where folders stand deeper than that.
    """
    for name in METADATA:
        if (folder / name).is_file():
            return read_table(folder / name)
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    splits = bool(inside) and {path.name.lower() for path in inside} <= SPLITS.keys()
    paths = [path for path in sorted(folder.glob("*/*/*" if splits else "*/*")) if not _hidden(path, folder)]
    if deeper := next((path for path in paths if path.is_dir()), None):
        raise InputError(
            f"{one_line(str(deeper))} is a folder where the files of a class should be: put the files themselves there"
            + ("." if splits else ", or divide the classes by split into folders named train, dev and test alone.")
        )
    if not paths:
        raise InputError(
            f"{folder} holds no files to learn from: put them into one folder a class, as in {folder.name}/cat/1.png, "
            f"or a table {METADATA[0]} beside them that names them."
        )
    return _table(folder, paths, splits=splits)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _table(folder: Path, paths: Sequence[Path], *, splits: bool) -> Table:
    names = [path.relative_to(folder).as_posix() for path in paths]
    cells = {FILE: names, CLASS: [path.parent.name for path in paths]}
    if splits:
        cells[SPLIT] = [path.parent.parent.name for path in paths]
    digest = hashlib.blake2b(digest_size=16)
    for path, name in zip(paths, names, strict=True):
        digest.update(os.fsencode(f"{name}:") + stamp(path))
    return Table(cells, f"{folder.resolve()}:{digest.hexdigest()}", places=[str(path) for path in paths], folder=folder)
