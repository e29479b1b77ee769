"""What a report on a task's data means for training, in sentences that say what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from multimodel.tasks.check import SplitReport, TaskReport
from multimodel.tasks.task import DEV, TEST, TRAIN

FEWEST = 10  # training examples of a class
COMMONEST = 0.9  # share of the training examples that one class may have
LEFT_OUT = 0.05  # share of the rows that may be too long
NAMED = 5


def warnings(report: TaskReport) -> list[str]:
    """All that may spoil training or its scores."""
    found = [line for split, one in report.splits.items() for line in _of_rows(f"{report.task} {split}", one)]
    return [*found, *_of_splits(report), *_of_classes(report), *_of_unseen(report)]


def refused(report: TaskReport, most_bad: float) -> list[str]:
    """The splits that training or evaluation would stop at: too many bad rows, or none that is usable."""
    return [
        f"{report.task} {split}"
        for split, one in report.splits.items()
        if len(one.bad) > most_bad * one.rows or not one.usable
    ]


def _of_rows(label: str, one: SplitReport) -> Iterator[str]:
    if one.bad:
        yield f"{label}: {len(one.bad):,} of {one.rows:,} rows cannot be used: mend or remove them."
    if one.too_long > LEFT_OUT * one.rows:
        yield (
            f"{label}: {one.too_long / one.rows:.0%} of the rows are longer than the limits and are left out: raise "
            "max_length or max_seconds of the column, --data.max-symbols and the like of the run, or cut the examples."
        )


def _of_splits(report: TaskReport) -> Iterator[str]:
    for split in (DEV, TEST):
        if split not in report.splits:
            yield f"{report.task} has no {split} examples, so it has no {split} scores: hold some rows out for it."
    for shared in report.shared:
        one, other = shared.splits
        if one == TRAIN:
            yield (
                f"{report.task}: {counted(shared.count, 'input')} of train also {_word('stand', shared.count)} in "
                f"{other}, which has {report.splits[other].rows:,} rows, so its scores tell less of what is new to the "
                "model: keep equal inputs in one split."
            )


def _of_classes(report: TaskReport) -> Iterator[str]:
    counts = report.splits[TRAIN].classes if TRAIN in report.splits else {}
    rare = [label for label, count in counts.items() if count < FEWEST]
    if rare:
        yield (
            f"{report.task}: {counted(len(rare), 'class', 'classes')} {_word('have', len(rare), 'has')} fewer than "
            f"{FEWEST} training examples ({_few(rare)}): add examples, or join classes."
        )
    for label, count in counts.items():
        share = count / sum(counts.values()) if count else 0
        if share > COMMONEST:
            yield (
                f"{report.task}: {share:.1%} of the training examples are {label!r}, which a model may learn to say "
                "always: add examples of other classes, and compare its score with the baseline."
            )


def _of_unseen(report: TaskReport) -> Iterator[str]:
    for split, labels in report.unseen.items():
        yield (
            f"{report.task} {split}: {counted(len(labels), 'label')} ({_few(labels)}) {_word('stand', len(labels))} in "
            "no training example and cannot be learned: move some of their rows to train."
        )


def _few(labels: Sequence[str] | Mapping[str, int]) -> str:
    """The first of them, in quotes."""
    more = [f"and {len(labels) - NAMED:,} more"] if len(labels) > NAMED else []
    return ", ".join([*map(repr, list(labels)[:NAMED]), *more])


def counted(number: int, one: str, many: str = "") -> str:
    """So many of something."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _word(many: str, number: int, one: str = "") -> str:
    """A verb for so many."""
    return (one or f"{many}s") if number == 1 else many
