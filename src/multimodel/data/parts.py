"""Parts of a built data set: Parquet files that are whole or absent, each with what it was built from."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 1000
REPEATED = ["source", "split"]
RECORD = b"multimodel"


def write(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, record: Mapping[str, Any]) -> None:
    """Write rows and the record of what they were built from; an interrupt leaves no file of this name."""
    counted = {**record, "rows": dict(Counter(row["split"] for row in rows))}
    table = pa.Table.from_pylist(list(rows), schema=schema.with_metadata({RECORD: json.dumps(counted)}))
    unfinished = path.with_name(path.name + ".unfinished")
    pq.write_table(table, unfinished, compression="zstd", row_group_size=ROWS_PER_GROUP, use_dictionary=REPEATED)
    os.replace(unfinished, path)


def record_of(path: Path) -> dict[str, Any] | None:
    """What a part was built from, or None where there is no whole part."""
    if not path.exists():
        return None
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return None
    return json.loads(metadata[RECORD]) if RECORD in metadata else None


def is_built(path: Path, definition: Mapping[str, Any]) -> bool:
    """Whether a whole part of exactly this definition is there."""
    record = record_of(path)
    return record is not None and record.get("definition") == definition
