"""Aligned text files: line n of one file belongs to line n of the others, as in the corpora of WMT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multimodel.errors import InputError
from multimodel.sources.files import check_regular
from multimodel.sources.rows import Table
from multimodel.sources.tables import read_lines


def read_aligned(paths: Sequence[Path]) -> Table:
    """One column for each file, named by its ending: `news.en` and `news.de` become `en` and `de`.

    Raises `InputError` for missing files, equal endings, and files of unlike length.
    """
    for path in paths:
        check_regular(path)
    names = [path.suffix.lstrip(".") for path in paths]
    if len(set(names)) < len(names) or not all(names):
        given = ", ".join(map(str, paths))
        raise InputError(f"Aligned files are told apart by their endings, as in news.en and news.de: rename {given}.")
    tables = [read_lines(path, name) for path, name in zip(paths, names, strict=True)]
    lengths = {len(table) for table in tables}
    if len(lengths) > 1:
        sizes = ", ".join(f"{path} {len(table):,}" for path, table in zip(paths, tables, strict=True))
        raise InputError(f"These files must have equally many lines: {sizes}.")
    return Table(
        {name: table.cells[name] for name, table in zip(names, tables, strict=True)},
        " ".join(table.fingerprint for table in tables),
        places=[f"{paths[0]}, line {number + 1}" for number in range(len(tables[0]))],
        folder=paths[0].parent,
        damaged={row: f"{table.where(row)}: {reason}" for table in tables for row, reason in table.damaged.items()},
    )
