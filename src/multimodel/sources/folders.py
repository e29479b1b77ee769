"""Folders of pictures or recordings: the class is the name of the folder, or a table beside the files tells more."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from multimodel.errors import InputError
from multimodel.sources.rows import Rows, Table
from multimodel.sources.splits import SPLITS
from multimodel.sources.tables import read_table

FILE, CLASS, SPLIT = "file", "class", "split"
METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")


def read_folder(folder: Path) -> Rows:
    """Columns `file` and `class`, and `split` where the folders of the classes stand in folders named by split.

    Where the folder holds a `metadata` table (CSV, TSV, JSONL or Parquet), that table is read instead: its cells name
    files beside it. Hidden files are passed over. Raises `InputError` if there is neither.
    """
    for name in METADATA:
        if (folder / name).is_file():
            return read_table(folder / name)
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    splits = bool(inside) and {path.name.lower() for path in inside} <= SPLITS.keys()
    paths = [path for path in sorted(folder.glob("*/*/*" if splits else "*/*")) if _shown(path, folder)]
    if not paths:
        raise InputError(
            f"{folder} holds no files to learn from: put them into one folder a class, as in {folder.name}/cat/1.png, "
            f"or a table {METADATA[0]} beside them that names them."
        )
    return _table(folder, paths, splits=splits)


def _shown(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _table(folder: Path, paths: Sequence[Path], *, splits: bool) -> Table:
    names = [path.relative_to(folder).as_posix() for path in paths]
    cells = {FILE: names, CLASS: [path.parent.name for path in paths]}
    if splits:
        cells[SPLIT] = [path.parent.parent.name for path in paths]
    digest = hashlib.blake2b(digest_size=16)
    for path, name in zip(paths, names, strict=True):
        found = path.stat()
        digest.update(f"{name}:{found.st_size}:{found.st_mtime_ns}\n".encode())
    return Table(cells, f"{folder.resolve()}:{digest.hexdigest()}", places=[str(path) for path in paths], folder=folder)
