"""`multimodel report RUN`: a run's scores, curves, samples and experts as one page, RUN/report.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from tyro.conf import Positional

from multimodel.report import write_pictures, write_report


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write RUN/report.html: one file that needs no network, from a run that was evaluated."""

    run: Positional[Path]
    """Folder that `multimodel train … --out` wrote."""
    data_folder: Path | None = None
    """Folder of the built mini8, where it is not where the run had it."""
    pictures: Path | None = None
    """Folder to write the charts to as well, as SVG files."""


def main(arguments: Sequence[str]) -> None:
    """Parse and write."""
    command = tyro.cli(Report, args=arguments, prog="multimodel report")
    written = [write_report(command.run, command.data_folder)]
    if command.pictures:
        written += write_pictures(command.run, command.pictures)
    for path in written:
        print(f"Written: {path}")
