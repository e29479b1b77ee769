"""The printed report on the data of tasks: tables of rows, lengths and classes, bad rows by name, and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from multimodel.tasks.check import Lengths, TaskReport
from multimodel.tasks.check_warnings import counted, warnings
from multimodel.tasks.task import TRAIN

NAMED = 20
BLOCKS = " ▁▂▃▄▅▆▇█"


def print_reports(console: Console, reports: Sequence[TaskReport]) -> None:
    """All of it, the warnings last."""
    console.print(rows_table(reports))
    console.print(lengths_table(reports))
    for report in reports:
        if any(one.classes for one in report.splits.values()):
            console.print(classes_table(report))
    for report in reports:
        for line in lines(report):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    found = [sentence for report in reports for sentence in warnings(report)]
    for sentence in found or ["Nothing here speaks against training."]:
        console.print(f"• {sentence}" if found else sentence, markup=False, highlight=False, soft_wrap=True)


def rows_table(reports: Sequence[TaskReport]) -> Table:
    """How many rows each split has, and what becomes of them."""
    table = _table(
        "Rows",
        "task",
        "split",
        numbers=("rows", "usable", "too long", "bad", "repeated inputs", "also in another split"),
    )
    for report in reports:
        for split, one in report.splits.items():
            shared = {pair: found.count for found in report.shared if split in (pair := found.splits)}
            others = ", ".join(f"{_other(pair, split)} {count:,}" for pair, count in shared.items())
            figures = (one.rows, one.usable, one.too_long, len(one.bad), one.repeated)
            table.add_row(escape(report.task), split, *(f"{figure:,}" for figure in figures), others or "–")
    return table


def lengths_table(reports: Sequence[TaskReport]) -> Table:
    """How long inputs and outputs are, each with a histogram from the shortest to the longest."""
    table = _table("Lengths", "task", "split", "side", numbers=("shortest", "median", "95 %", "longest"))
    table.add_column("in")
    table.add_column("histogram", no_wrap=True)
    for report in reports:
        for split, one in report.splits.items():
            for side, lengths in (("inputs", one.inputs), ("outputs", one.outputs)):
                if lengths:
                    table.add_row(escape(report.task), split, side, *_cells(lengths))
    return table


def bars(counts: Sequence[int]) -> str:
    """One block a count, as high as its share of the highest; only where nothing stands is it empty."""
    highest = max(counts, default=0)
    return "".join(BLOCKS[-(-count * (len(BLOCKS) - 1) // highest)] if count else BLOCKS[0] for count in counts)


def classes_table(report: TaskReport) -> Table:
    """Examples of every class by split, the largest class of training first."""
    table = _table(f"Classes of {escape(report.task)}", "class", numbers=tuple(report.splits))
    table.add_column("of training", justify="right")
    known = report.splits[TRAIN].classes if TRAIN in report.splits else {}
    labels = dict.fromkeys(label for one in report.splits.values() for label in one.classes)
    total = sum(known.values())
    shown = sorted(labels, key=lambda label: -known.get(label, 0))
    for label in _ends(shown):
        counts = [f"{one.classes.get(label, 0):,}" for one in report.splits.values()]
        table.add_row(escape(label), *counts, f"{known.get(label, 0) / total:.1%}" if total else "–")
    if len(shown) > NAMED:
        table.caption = f"the {NAMED // 2} largest and the {NAMED // 2} smallest of {len(shown):,} classes"
    return table


def lines(report: TaskReport) -> Iterator[str]:
    """Bad rows and inputs of two splits, by the places where they stand."""
    for split, one in report.splits.items():
        yield from _listed(f"{report.task} {split}: bad rows", [f"{bad.where}: {bad.reason}" for bad in one.bad])
    for shared in report.shared:
        head = f"{report.task}: {counted(shared.count, 'input')} in both {' and '.join(shared.splits)}"
        yield from _listed(head, shared.named, shared.count)
    for split, labels in report.unseen.items():
        yield from _listed(f"{report.task} {split}: labels that no training example has", _labels(labels))


def _listed(head: str, things: Sequence[str], count: int = 0) -> Iterator[str]:
    """The first of them under a heading, and how many there are more."""
    more = (count or len(things)) - len(things[:NAMED])
    if things:
        yield "\n  ".join([f"{head}:", *things[:NAMED], *([f"… and {more:,} more"] if more else [])])


def _labels(labels: Mapping[str, int]) -> list[str]:
    return [f"{label!r} in {counted(count, 'row')}" for label, count in labels.items()]


def _cells(lengths: Lengths) -> tuple[str, ...]:
    figures = (lengths.shortest, lengths.median, lengths.most, lengths.longest)
    return (*(f"{figure:,}" for figure in figures), lengths.unit, bars(lengths.counts))


def _ends(labels: Sequence[str]) -> Sequence[str]:
    return labels if len(labels) <= NAMED else [*labels[: NAMED // 2], *labels[-(NAMED // 2) :]]


def _other(pair: tuple[str, str], split: str) -> str:
    return pair[1] if pair[0] == split else pair[0]


def _table(title: str, *words: str, numbers: Sequence[str]) -> Table:
    table = Table(title=title)
    for word in words:
        table.add_column(word)
    for number in numbers:
        table.add_column(number, justify="right")
    return table
