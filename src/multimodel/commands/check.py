"""What `multimodel data check` does: read all data of some tasks, print what is found, refuse what a run would."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from multimodel.commands.check_table import print_reports
from multimodel.commands.console import table_console
from multimodel.errors import InputError
from multimodel.named_tasks import declare
from multimodel.runs import named_preset
from multimodel.tasks import mini8
from multimodel.tasks.check import TaskReport, check_task
from multimodel.tasks.check_warnings import refused, warnings
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import nets


def check(
    words: Sequence[str],
    preset: str,
    data_folder: Path | None = None,
    out: Path | None = None,
    most_bad: float | None = None,
) -> None:
    """Check these tasks, all of mini8 without any, and print the report; `out` is a file for all of it as JSON.

    Raises `InputError` at the end where a split has more bad rows than the preset allows, or none that is usable.
    """
    settings = named_preset(preset)[1].data
    if most_bad is not None:
        settings = dataclasses.replace(settings, most_bad=most_bad)
    reports = check_tasks(declare(words or mini8.NAMES, settings, data_folder), settings)
    print_reports(table_console(), reports)
    if out:
        write_reports(out, reports, preset)
        print(f"Written: {out}")
    if failed := [split for report in reports for split in refused(report, settings.most_bad)]:
        raise InputError(
            f"Training or evaluation would stop at {', '.join(failed)}: more than {settings.most_bad:.1%} of the rows "
            "are bad, or all are too long; mend or remove what is named above, or train with a higher --data.most-bad."
        )


def check_tasks(declared: Sequence[Declaration], settings: DataSettings) -> list[TaskReport]:
    """Read the data as training would, one vocabulary for all, and check task by task."""
    console = Console(stderr=True)
    console.print("reading the data and training the vocabulary", highlight=False)
    _, tasks = mini8.read_tasks(declared, settings)
    nets(tasks)  # refuses what cannot be trained together
    return [check_task(task, progress=True) for task in tasks]


def write_reports(path: Path, reports: Sequence[TaskReport], preset: str) -> None:
    """Everything that was found, every bad row included; raises `InputError` where the file cannot be written."""
    found = {
        "preset": preset,
        "tasks": [asdict(report) for report in reports],
        "warnings": [sentence for report in reports for sentence in warnings(report)],
    }
    try:
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
