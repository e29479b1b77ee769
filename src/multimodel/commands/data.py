"""`multimodel data`: build the eight tasks of mini8 from packages, or check the data of any tasks before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg
from tyro.extras import subcommand_cli_from_dict

from multimodel.data import mini8
from multimodel.folders import mini8_folder


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build a data set from packages; safe to interrupt and to repeat."""

    name: Positional[Literal["mini8"]]
    """Which data set."""
    out: Path = field(default_factory=mini8_folder)
    """Folder for the Parquet files."""
    packages: Path | None = None
    """Folder with the .deb files, where they cannot be fetched with apt."""
    sources: Annotated[tuple[str, ...], arg(help=f"What to build from; there are: {', '.join(mini8.SOURCES)}.")] = (
        mini8.DEFAULT
    )

    def run(self) -> None:
        """Build."""
        mini8.build(self.out, packages=self.packages, sources=self.sources)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Read every example of some tasks: what cannot be used, lengths, inputs that repeat, classes; then warnings."""

    tasks: Positional[tuple[str, ...]] = ()
    """Names of mini8's tasks and paths of YAML files; all of mini8 where none is named."""
    data_folder: Path | None = None
    """Folder of the built mini8, where it is not in the cache."""
    preset: str = "quickstart"
    """Preset whose limits and vocabulary hold."""
    most_bad: float | None = None
    """Share of examples that may be damaged; the preset's where none is given."""
    out: Path | None = None
    """File for the whole report, as JSON."""

    def run(self) -> None:
        """Check."""
        from multimodel.commands.check import check  # takes torch along, which `build` need not wait for
        from multimodel.commands.words import split_names

        check(split_names(self.tasks), self.preset, self.data_folder, self.out, self.most_bad)


def main(arguments: Sequence[str]) -> None:
    """Parse, then do what the first word says."""
    command: Build | Check = subcommand_cli_from_dict(
        {"build": Build, "check": Check}, args=arguments, prog="multimodel data"
    )
    command.run()
