"""mini8: small real data for all eight tasks, built from packages into one folder of Parquet files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from multimodel.data import captions, fashion, parsing, parts, speech, translation
from multimodel.data.packages import Package, fetch
from multimodel.data.rows import Row
from multimodel.data.sources import ALL, Source
from multimodel.errors import InputError
from multimodel.folders import MINI8_INDEX

FORMAT = 1
BUILDER = 1
SOURCES: dict[str, Source] = {source.name: source for source in ALL}
DEFAULT: tuple[str, ...] = tuple(source.name for source in ALL if source.default)

Files = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Tables that are built together: their columns, the modules it takes, and the rows from each source's files."""

    tables: Mapping[str, pa.Schema]
    needs: Sequence[str] = ()
    rows: Callable[[Files], Mapping[str, Sequence[Row]]]


PARTS = {
    "speech": Part(tables={"speech": speech.SCHEMA}, rows=lambda files: {"speech": speech.rows(files)}),
    "imageclass": Part(tables={"imageclass": fashion.SCHEMA}, rows=lambda files: {"imageclass": fashion.rows(files)}),
    "caption": Part(
        tables={"caption": captions.SCHEMA},
        needs=("fontTools",),
        rows=lambda files: {"caption": captions.rows(files)},
    ),
    "parse": Part(
        tables={"parse": parsing.SCHEMA},
        needs=("spacy", parsing.MODEL),
        rows=lambda files: {"parse": parsing.rows(files)},
    ),
    "translation": Part(tables=translation.SCHEMAS, needs=("polib",), rows=translation.rows),
}


class SourceError(InputError):
    """A source was asked for that does not exist."""


class MissingExtra(InputError):
    """Modules of the extra `mini8` are not installed."""


def build(
    destination: Path,
    *,
    packages: Path | None = None,
    sources: Sequence[str] = DEFAULT,
    progress: bool = True,
) -> None:
    """Build the parts that the sources belong to, and `mini8.json`, which counts what the folder holds.

    A part that was built from the same sources before is left as it is, so an interrupted build can be repeated.
    `packages` is a folder with .deb files to use instead of fetching them. Raises SourceError, PackageError or
    MissingExtra, each with a message that says what to do.
    """
    console = Console(quiet=not progress)
    chosen = _choose(sources)
    destination.mkdir(parents=True, exist_ok=True)
    waiting = {part: members for part, members in chosen.items() if not _is_built(destination, part, members)}
    for part in sorted(chosen.keys() - waiting.keys()):
        console.print(f"{part}: built before, left as it is")
    _show_licences(console, [source for members in waiting.values() for source in members])
    _check_installed(waiting)
    names = [name for members in waiting.values() for source in members for name in source.packages]
    fetched = fetch(names, folder=packages, progress=progress) if names else {}
    for part, members in waiting.items():
        started = time.monotonic()
        with console.status(f"{part}: being built"):
            counts = _build_part(destination, part, members, fetched)
        console.print(f"{part}: {counts} in {time.monotonic() - started:.0f} s")
    _write_index(destination)


def _check_installed(parts_to_build: Iterable[str]) -> None:
    needed = [module for part in parts_to_build for module in PARTS[part].needs]
    if missing := [module for module in needed if find_spec(module) is None]:
        raise MissingExtra(f"Not installed: {', '.join(missing)}. Install them with: pip install 'multimodel[mini8]'")


def _choose(names: Sequence[str]) -> dict[str, list[Source]]:
    """The chosen sources by part, in the order of the table."""
    if unknown := sorted(set(names) - SOURCES.keys()):
        raise SourceError(f"mini8 has no source {', '.join(unknown)}. It has: {', '.join(SOURCES)}.")
    if not names:
        raise SourceError(f"No source was chosen. mini8 has: {', '.join(SOURCES)}.")
    chosen: dict[str, list[Source]] = {}
    for source in ALL:
        if source.name in names:
            chosen.setdefault(source.part, []).append(source)
    return chosen


def _definition(members: Sequence[Source]) -> dict[str, Any]:
    return {"builder": BUILDER, "sources": [source.name for source in members]}


def _is_built(destination: Path, part: str, members: Sequence[Source]) -> bool:
    return all(parts.is_built(destination / f"{name}.parquet", _definition(members)) for name in PARTS[part].tables)


def _show_licences(console: Console, members: Sequence[Source]) -> None:
    for source in members:
        console.print(
            f"[bold]{source.name}[/bold] ({source.megabytes} MB): {source.about}\n  licence: {source.licence}"
        )


def _build_part(destination: Path, part: str, members: Sequence[Source], fetched: Mapping[str, Package]) -> str:
    """Read, clean and write the tables of one part; returns their sizes in words."""
    files = {source.name: [fetched[name].path for name in source.packages] for source in members}
    record = {"definition": _definition(members), "sources": [_origin(source, fetched) for source in members]}
    sizes = []
    for name, rows in PARTS[part].rows(files).items():
        parts.write(destination / f"{name}.parquet", rows, PARTS[part].tables[name], record)
        sizes.append(f"{len(rows):,} rows of {name}")
    return ", ".join(sizes)


def _origin(source: Source, fetched: Mapping[str, Package]) -> dict[str, Any]:
    """What the index says about a source."""
    used = [fetched[name] for name in source.packages]
    described = [{"name": package.name, "version": package.version, "sha256": package.sha256} for package in used]
    return {**asdict(source), "packages": described}


def _write_index(destination: Path) -> None:
    """Describe every whole part in the folder."""
    names = [name for part in PARTS.values() for name in part.tables]
    records = {name: parts.record_of(destination / f"{name}.parquet") for name in names}
    found = {name: record for name, record in records.items() if record is not None}
    origins = {origin["name"]: origin for record in found.values() for origin in record["sources"]}
    index = {
        "format": FORMAT,
        "tasks": {name: record["rows"] for name, record in found.items()},
        "classes": list(fashion.CLASSES),
        "sources": list(origins.values()),
    }
    unfinished = destination / (MINI8_INDEX + ".unfinished")
    unfinished.write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(unfinished, destination / MINI8_INDEX)
