"""What the data of a task holds, found out before training: unusable rows, lengths, repeated inputs, classes."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from multimodel.sources.wording import one_line
from multimodel.tasks.encoded import SIDES, Pair, each_example
from multimodel.tasks.examples import Examples
from multimodel.tasks.features import Feature
from multimodel.tasks.task import DEV, TEST, TRAIN, Example, Split, Task

BARS = 32
NAMED = 5
DIGEST = 16  # bytes: two inputs of one digest are equal
SYMBOLS = ("text", "category", "category-input")  # nets whose costs are symbols; of others they are body positions


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that cannot be used: where it stands, as file and line, and why."""

    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Of one side of all rows that can be encoded, in symbols or body positions; `counts` are those of a histogram."""

    unit: str
    shortest: int
    median: int
    most: int
    """The 95th percentile."""
    longest: int
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """One split: its rows are usable, too long or bad; `repeated` inputs stand in it more than once."""

    rows: int
    usable: int
    too_long: int
    bad: tuple[BadRow, ...]
    repeated: int
    inputs: Lengths | None
    outputs: Lengths | None
    classes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Inputs that stand in two splits; some of them are named by their places."""

    splits: tuple[str, str]
    count: int
    named: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """All splits of a task; `unseen` counts labels of other splits that no training row has."""

    task: str
    splits: Mapping[str, SplitReport]
    shared: tuple[Shared, ...]
    unseen: Mapping[str, Mapping[str, int]]


def check_task(task: Task, *, progress: bool = False) -> TaskReport:
    """Read every example of every split once; a few hundred are in memory at a time, of others only a digest."""
    order = [split for split in (TRAIN, DEV, TEST) if split in task.examples]
    order += [split for split in task.examples if split not in order]
    tallies = {split: _tally(task, split, progress) for split in order}
    splits = {split: _report(task, tally) for split, tally in tallies.items()}
    shared = (_shared(*pair) for pair in combinations(tallies.items(), 2))
    return TaskReport(
        task=task.name, splits=splits, shared=tuple(one for one in shared if one.count), unseen=_unseen(splits)
    )


def _unseen(splits: Mapping[str, SplitReport]) -> dict[str, dict[str, int]]:
    known = splits[TRAIN].classes if TRAIN in splits else {}
    found = {
        split: {label: count for label, count in one.classes.items() if count and not known.get(label)}
        for split, one in splits.items()
    }
    return {split: labels for split, labels in found.items() if labels}


@dataclass(kw_only=True)
class _Tally:
    """What is kept of a split while its examples go by: a few bytes of each."""

    examples: Split
    usable: int = 0
    too_long: int = 0
    bad: list[BadRow] = field(default_factory=list)
    lengths: tuple[array[int], array[int]] = field(default_factory=lambda: (array("q"), array("q")))
    digests: bytearray = field(default_factory=bytearray)
    places: array[int] = field(default_factory=lambda: array("q"))
    classes: Counter[str] = field(default_factory=Counter)

    def inputs(self) -> np.ndarray:
        """The digests of all inputs that can be read, (n,); that of place `places[i]` is the i-th."""
        return np.frombuffer(self.digests, dtype=f"S{DIGEST}")


def _tally(task: Task, split: str, progress: bool) -> _Tally:
    tally = _Tally(examples=task.examples[split])
    tally.classes.update(dict.fromkeys(_names(task.output), 0))
    labelled = bool(tally.classes)
    for place, (example, pair) in enumerate(each_example(task, split, tally.examples, progress=progress)):
        if example is not None:
            tally.digests += digest(example.input)
            tally.places.append(place)
            if labelled:
                tally.classes[str(example.output)] += 1
        if isinstance(pair, str):
            tally.bad.append(_bad_row(tally.examples, place, example, pair))
        else:
            _measure(task, pair, tally)
    return tally


def _measure(task: Task, pair: Pair, tally: _Tally) -> None:
    features = (task.input, task.output)
    fits = all(feature.fits(values) for feature, values in zip(features, pair, strict=True))
    tally.usable += fits
    tally.too_long += not fits
    for feature, values, lengths in zip(features, pair, tally.lengths, strict=True):
        lengths.append(feature.cost(values))


def digest(raw: Any) -> bytes:
    """Equal for equal raw values."""
    return hashlib.blake2b(raw if isinstance(raw, bytes) else repr(raw).encode(), digest_size=DIGEST).digest()


def _names(feature: Feature) -> Sequence[str]:
    """The classes of a category, nothing of other outputs."""
    return feature.to_json()["names"] if feature.spec.kind == "category" else ()


def _where(examples: Split, place: int) -> str:
    """File and line, or the name of an example that was made in Python."""
    if isinstance(examples, Examples):
        return one_line(examples.rows.where(int(examples.places[place])))
    return f"example {examples[place].id}"


def _bad_row(examples: Split, place: int, example: Example | None, why: str) -> BadRow:
    where = _where(examples, place)
    named = f"example {example.id}" if example else where
    return BadRow(where=where, reason=why.removeprefix(f"{named}: "))


def _report(task: Task, tally: _Tally) -> SplitReport:
    _, counts = np.unique(tally.inputs(), return_counts=True)
    sides = zip(SIDES, (task.input, task.output), tally.lengths, strict=True)
    lengths = {side: _lengths(feature, values) for side, feature, values in sides}
    return SplitReport(
        rows=len(tally.examples),
        usable=tally.usable,
        too_long=tally.too_long,
        bad=tuple(tally.bad),
        repeated=int((counts > 1).sum()),
        inputs=lengths["inputs"],
        outputs=lengths["outputs"],
        classes=dict(tally.classes),
    )


def _lengths(feature: Feature, values: array[int]) -> Lengths | None:
    if not values:
        return None
    found = np.asarray(values)
    shortest, longest = int(found.min()), int(found.max())
    counts, _ = np.histogram(found, bins=min(BARS, longest - shortest + 1), range=(shortest, longest + 1))
    median, most = np.percentile(found, (50, 95), method="inverted_cdf").tolist()
    unit = "symbols" if feature.spec.kind in SYMBOLS else "positions"
    return Lengths(
        unit=unit, shortest=shortest, median=median, most=most, longest=longest, counts=tuple(counts.tolist())
    )


def _shared(first: tuple[str, _Tally], second: tuple[str, _Tally]) -> Shared:
    (one, a), (other, b) = first, second
    _, left, right = np.intersect1d(a.inputs(), b.inputs(), return_indices=True)
    pairs = sorted(zip(left.tolist(), right.tolist(), strict=True))[:NAMED]
    named = tuple(
        f"{_where(a.examples, a.places[i])} ({one}) and {_where(b.examples, b.places[j])} ({other})" for i, j in pairs
    )
    return Shared(splits=(one, other), count=len(left), named=named)
