"""`multimodel tasks`: the tasks there are, what goes in and what comes out, and whether their data is present."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional

from multimodel.commands.console import table_console
from multimodel.commands.words import split_names
from multimodel.errors import InputError
from multimodel.folders import mini8_folder
from multimodel.named_tasks import YAML, check_word
from multimodel.tasks import mini8
from multimodel.tasks.declaration import LARGEST_FILE, read_declaration
from multimodel.tasks.overview import Summary, of_declaration, of_mini8, of_task
from multimodel.training import checkpoint

KEY = re.compile(r"^(data|input|output)[ \t]*:", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Print tasks, and whether their data is present: those named, or all of mini8 and of this folder's YAML files."""

    tasks: Positional[tuple[str, ...]] = ()
    """Names of mini8's tasks, or of the run's, and paths of YAML files."""
    data_folder: Path | None = None
    """Folder of the built mini8, where it is not in the cache or where the run had it."""
    run: Path | None = None
    """Folder of a run: print the tasks of its newest checkpoint."""


def main(arguments: Sequence[str]) -> None:
    """Parse and print the table."""
    command = tyro.cli(Tasks, args=arguments, prog="multimodel tasks")
    names = split_names(command.tasks)
    found = (
        named(names or all_names(Path()), command.data_folder)
        if command.run is None
        else tasks_of_run(command.run, names, command.data_folder)
    )
    table_console().print(tasks_table(found))


def all_names(folder: Path) -> list[str]:
    """The tasks of mini8, and the YAML files of a folder that are tasks or mean to be: they have two keys of one."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in YAML and path.is_file())
    return [*mini8.NAMES, *(str(path) for path in paths if len(set(KEY.findall(_text(path)))) > 1)]


def named(names: Sequence[str], data_folder: Path | None = None) -> list[Summary]:
    """Tasks of mini8 by name, others by the path of their YAML file; raises `InputError` for a name of neither."""
    for name in names:
        check_word(name)
    return [_summary(name, data_folder or mini8_folder()) for name in names]


def tasks_of_run(run: Path, names: Sequence[str] = (), data_folder: Path | None = None) -> list[Summary]:
    """The tasks of a run's newest checkpoint, or some of them."""
    config = checkpoint.load_config(checkpoint.latest(run))
    return [of_task(task, data_folder) for task in (config.named(names) if names else config.tasks)]


def tasks_table(found: Sequence[Summary]) -> Table:
    """One row a task."""
    table = Table(title="Tasks", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)  # so that a task is one line
    for column in ("task", "input", "output", "command", "measure", "rate", "data"):
        table.add_column(column, justify="right" if column == "rate" else "left", overflow="fold")
    for one in found:
        table.add_row(*map(escape, asdict(one).values()))
    return table


def _summary(name: str, data_folder: Path) -> Summary:
    """A task that cannot be read is a row like the others."""
    try:
        return of_declaration(read_declaration(Path(name))) if name.endswith(YAML) else of_mini8(name, data_folder)
    except InputError as error:
        return Summary(name=Path(name).stem, data=str(error))


def _text(path: Path) -> str:
    """Its beginning: no task is longer."""
    try:
        with path.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(LARGEST_FILE)
    except OSError:
        return ""
