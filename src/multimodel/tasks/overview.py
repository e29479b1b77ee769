"""Tasks in words: what goes in, what comes out, and whether their data is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodel.errors import InputError
from multimodel.folders import MINI8_INDEX
from multimodel.sources.open import HUB
from multimodel.tasks import mini8
from multimodel.tasks.columns import Column
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.examples import open_examples
from multimodel.tasks.features import Feature
from multimodel.tasks.task import DEV, TEST, TRAIN, Task

ORDER = (TRAIN, DEV, TEST)
NOTHING = "–"
NOT_BUILT = "not built: multimodel data build mini8"
ON_THE_HUB = "on the hub, not looked at"
NOT_KEPT = "given in Python, not kept"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One task; of one that cannot be read only its name, and why as its `data`."""

    name: str
    input: str = NOTHING
    output: str = NOTHING
    command: str = NOTHING
    measure: str = NOTHING
    rate: str = NOTHING
    data: str


def of_declaration(one: Declaration) -> Summary:
    """A task as it is declared."""
    return Summary(
        name=one.name,
        input=_column(one.input),
        output=_column(one.output),
        command=one.task_command,
        measure=one.task_measure,
        rate=f"{one.rate:g}",
        data=presence(one),
    )


def of_task(task: Task, folder: Path | None = None) -> Summary:
    """A task of a run; one of mini8 with its data in this folder, where one is given."""
    origin = task.origin
    if origin and folder and mini8.declares_mini8(origin):
        origin = dataclasses.replace(origin, folder=folder)
    return Summary(
        name=task.name,
        input=_column(origin.input) if origin else _feature(task.input),
        output=_column(origin.output) if origin else _feature(task.output),
        command=task.command,
        measure=task.measure,
        rate=f"{task.rate:g}",
        data=presence(origin),
    )


def of_mini8(name: str, folder: Path) -> Summary:
    """A task of mini8, also where it is not built; raises `InputError` where there is none of this name."""
    built = (folder / MINI8_INDEX).exists()
    return of_declaration(mini8.declarations(folder, [name])[0] if built else mini8.outline(folder, name))


def presence(one: Declaration | None) -> str:
    """How many examples each split has, or in a few words why there are none."""
    if one is None or one.data is None:
        return NOT_KEPT
    if mini8.declares_mini8(one) and not all((one.folder / name).exists() for name in (MINI8_INDEX, one.data)):
        return NOT_BUILT
    if any(isinstance(part, str) and part.startswith(HUB) for part in _parts(one.data)):
        return ON_THE_HUB
    try:
        found = open_examples(one)
    except InputError as error:
        return str(error).removeprefix(f"Task {one.name}: ")
    return ", ".join(f"{split} {len(found[split]):,}" for split in ORDER if split in found) or "no examples"


def _parts(data: Any) -> Sequence[Any]:
    return list(data.values()) if isinstance(data, Mapping) else [data]


def _column(column: Column) -> str:
    return f"{column.kind}: {column.column}"


def _feature(feature: Feature) -> str:
    return str(feature.to_json()["kind"])
