"""What was measured: rows of figures, in parts that each answer one question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from multimodel.benchmark.setting import Setting
from multimodel.benchmark.timing import Spread

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
    rows: list[Row] = field(default_factory=list)
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A question and the cases that answer it; `drawn` is the column of its chart."""

    title: str
    about: str
    drawn: str
    cases: Callable[[Setting], Sequence[Case]]

    def started(self) -> Result:
        """Its result before the first case."""
        return Result(title=self.title, about=self.about, drawn=self.drawn)
