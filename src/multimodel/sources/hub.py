"""Data sets of the library `datasets`: by their name on the Hugging Face hub, from disk, or already loaded."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as arrow

from multimodel.errors import InputError
from multimodel.folders import streams_folder
from multimodel.sources.rows import Rows
from multimodel.sources.tables import inside, ways

if TYPE_CHECKING:
    import datasets

SAVED = ("dataset_info.json", "dataset_dict.json")
CHUNK = 1000
BLOCK = 100  # rows of a column in memory: one at a time takes the library eight times as long


class Loaded:
    """A loaded data set, its columns named as in `ways`. Pictures and sounds stay files, classes get their names."""

    def __init__(self, data: datasets.Dataset) -> None:
        self.data = data
        self._ways = ways(data.features.arrow_schema)
        self.columns = tuple(self._ways)
        self.fingerprint = str(data._fingerprint)
        self._classes = {name: _classes(data.features, way) for name, way in self._ways.items()}
        raw = data.with_format("arrow")  # as stored: nothing is decoded
        self._alone = {name: raw.select_columns([name]) for name in data.column_names}
        self._kept: dict[str, tuple[int, arrow.ChunkedArray]] = {}

    def __len__(self) -> int:
        return len(self.data)

    def cell(self, row: int, column: str) -> Any:
        """One cell; of a class its name, `None` where it has none."""
        top, *fields = self._ways[column]
        start = row - row % BLOCK
        if self._kept.get(top, (-1,))[0] != start:
            self._kept[top] = (start, self._alone[top][start : start + BLOCK].column(0))
        value = inside(self._kept[top][1][row - start].as_py(), fields)
        names = self._classes[column]
        if names is None:
            return value
        return names[value] if value is not None and 0 <= value < len(names) else None

    def where(self, row: int) -> str:
        """The number of the row, from 0."""
        return f"row {row}"

    def file(self, row: int, name: str) -> Path:
        """As the data set names it."""
        return Path(name)


def _classes(features: Any, way: Sequence[str]) -> Sequence[str] | None:
    """The names of the classes at the end of a way, `None` if there is something else."""
    from datasets import ClassLabel

    for field in way:
        features = features[field] if isinstance(features, dict) else None
    return features.names if isinstance(features, ClassLabel) else None


def open_hub(name: str, limit: int | None) -> Mapping[str, Rows]:
    """The splits of `OWNER/NAME`, or of `OWNER/NAME:CONFIGURATION`; with a limit so many rows of each are streamed."""
    library = _library()
    place, _, configuration = name.partition(":")
    try:
        found = library.load_dataset(place, configuration or None, streaming=limit is not None)
        known = "" if Path(place).exists() else name  # a folder may change, and is read quickly
        return {split: opened(data, limit, known) for split, data in found.items()}
    except Exception as error:  # whatever the hub, the network or the data set's files raise
        raise InputError(f"The data set {name} cannot be loaded: {_first_line(error)}") from error


def open_saved(folder: Path) -> Mapping[str, Rows] | Rows:
    """What `save_to_disk` wrote."""
    try:
        found = _library().load_from_disk(str(folder))
    except Exception as error:
        raise InputError(f"{folder} cannot be loaded as a data set: {_first_line(error)}") from error
    return {split: Loaded(data) for split, data in found.items()} if isinstance(found, dict) else Loaded(found)


def opened(data: Any, limit: int | None = None, known: str = "") -> Rows:
    """A data set, or the first rows of one that streams, which are kept on disk: for good where its name is `known`."""
    if hasattr(data, "__len__"):
        return Loaded(data)
    about = json.dumps([known, repr(data.info), str(data.split), limit])
    path = _named(io.BytesIO(about.encode())) if known else None
    return Loaded(_library().Dataset.from_file(str(path if path and path.is_file() else _keep(data, limit, path))))


def _keep(stream: Any, limit: int | None, path: Path | None) -> Path:
    """Write the rows of a stream to this path, or to one that is named by them."""
    part = streams_folder() / f"{uuid4().hex}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(stream, limit, part)
        if path is None:
            with part.open("rb") as written:
                path = _named(written)
        if not path.is_file():  # a file that is there keeps its time, and with it the features made of it
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _write(stream: Any, limit: int | None, path: Path) -> None:
    from datasets.table import embed_table_storage

    stored = stream.decode(False) if stream.features else stream
    rows = itertools.islice(stored, limit)
    schema = stored.features.arrow_schema if stored.features else None
    with path.open("wb") as file:
        writer = None
        while chunk := list(itertools.islice(rows, CHUNK)):
            table = arrow.Table.from_pylist(chunk, schema=schema)
            schema = table.schema
            writer = writer or arrow.ipc.new_stream(file, schema)
            writer.write_table(embed_table_storage(table))
        if writer is None:
            raise InputError("This stream of examples is empty.")
        writer.close()


def _named(content: io.BufferedIOBase) -> Path:
    """The file of the cache that is called by this content."""
    return streams_folder() / f"{hashlib.file_digest(content, 'blake2b').hexdigest()[:24]}.arrow"


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise InputError("Data sets of the hub need one more library: pip install 'multimodel[hub]'.") from error
    datasets.disable_progress_bars()
    return datasets


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
