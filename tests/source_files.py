"""Files to read rows from, and how to look at what was read."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet

from multimodel.sources.open import WHOLE, open_data
from multimodel.sources.rows import Rows


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def column(rows: Rows, name: str) -> list[object]:
    return [rows.cell(row, name) for row in range(len(rows))]


def whole(data: object, folder: Path, **options: object) -> Rows:
    found = open_data(data, folder, **options)
    assert list(found) == [WHOLE]
    return found[WHOLE]


def table(path: Path, columns: Mapping[str, object], rows: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table(columns), path, row_group_size=rows)
    return path
