"""What was measured: rows of figures, in parts that each answer one question."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from multimodel.benchmark.machine import Conditions
from multimodel.benchmark.setting import Setting
from multimodel.benchmark.timing import Spread
from multimodel.errors import InputError

Figure = Spread | float | int | str


@dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, and its figures by column; a column's name gives its unit."""

    name: str
    figures: Mapping[str, Figure]


class Case(NamedTuple):
    """A name for the progress display, and the measurement that gives some rows."""

    name: str
    measure: Callable[[], Iterable[Row]]


@dataclass(kw_only=True)
class Result:
    """The rows of a part so far; `left_out` says in a sentence why there are no more."""

    title: str
    about: str
    drawn: str
    conditions: Conditions = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A question and the cases that answer it; `drawn` is the column of its chart."""

    title: str
    about: str
    drawn: str
    cases: Callable[[Setting], Sequence[Case]]

    def started(self, conditions: Conditions) -> Result:
        """Its result before the first case."""
        return Result(title=self.title, about=self.about, drawn=self.drawn, conditions=conditions)


def save(path: Path, results: Mapping[str, Result]) -> None:
    """Results by part, as JSON."""
    content = {name: asdict(result) for name, result in results.items()}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> dict[str, Result]:
    """What was saved, nothing where there is no file; raises `InputError` where it is something else."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _result(**fields) for name, fields in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} holds no results of a benchmark: move it away, or give another --out.") from error


def _result(rows: list[dict[str, Any]], **fields: Any) -> Result:
    return Result(
        rows=[Row(row["name"], {key: _figure(of) for key, of in row["figures"].items()}) for row in rows], **fields
    )


def _figure(value: Any) -> Figure:
    return Spread(**value) if isinstance(value, dict) else value
