"""`multimodel data build mini8`: fetch packages and build the Parquet files of the eight tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from multimodel.data import mini8
from multimodel.folders import mini8_folder


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build a data set from packages; safe to interrupt and to repeat."""

    action: Positional[Literal["build"]]
    """What to do."""
    name: Positional[Literal["mini8"]]
    """Which data set."""
    out: Path = field(default_factory=mini8_folder)
    """Folder for the Parquet files."""
    packages: Path | None = None
    """Folder with the .deb files, where they cannot be fetched with apt."""
    sources: Annotated[tuple[str, ...], arg(help=f"What to build from; there are: {', '.join(mini8.SOURCES)}.")] = (
        mini8.DEFAULT
    )


def main(arguments: Sequence[str]) -> None:
    """Parse and build."""
    command = tyro.cli(Build, args=arguments, prog="multimodel data")
    mini8.build(command.out, packages=command.packages, sources=command.sources)
