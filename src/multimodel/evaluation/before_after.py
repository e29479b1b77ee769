"""Two models beside each other, task by task: what learning one more task, or leaving parts out, did to the others."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from multimodel.evaluation.evaluate import TaskEvaluation
from multimodel.evaluation.table import number
from multimodel.metrics import PRIMARY

COLUMNS = ("task", "log-ppl before", "after", "accuracy before", "after", "measure", "before", "after")


def rows(before: Sequence[TaskEvaluation], after: Sequence[TaskEvaluation]) -> list[tuple[str, ...]]:
    """One row for each task of `after`; a dash where there was none before."""
    known = {evaluation.task: evaluation for evaluation in before}
    return [_row(known.get(evaluation.task), evaluation) for evaluation in after]


def before_after_table(before: Sequence[TaskEvaluation], after: Sequence[TaskEvaluation]) -> Table:
    """For a terminal."""
    most = max(evaluation.examples for evaluation in after)
    table = Table(title=f"Before and after ({after[0].split}, at most {most:,} examples of each task)")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("task", "measure") else "right", no_wrap=True)
    for row in rows(before, after):
        table.add_row(*map(escape, row))
    return table


def before_after_markdown(before: Sequence[TaskEvaluation], after: Sequence[TaskEvaluation]) -> str:
    """The same for documents."""
    rule = tuple("---" if column in ("task", "measure") else "---:" for column in COLUMNS)
    return "\n".join("| " + " | ".join(row) + " |" for row in [COLUMNS, rule, *rows(before, after)]) + "\n"


def _row(before: TaskEvaluation | None, after: TaskEvaluation) -> tuple[str, ...]:
    new = _numbers(after)
    old = _numbers(before) if before else ("–", "–", "–")
    pairs = [cell for pair in zip(old, new, strict=True) for cell in pair]
    return (after.task, *pairs[:4], PRIMARY[after.measure][0], *pairs[4:])


def _numbers(evaluation: TaskEvaluation) -> tuple[str, str, str]:
    """Log-perplexity, accuracy and the task's own measure."""
    forced, name = evaluation.teacher_forced, PRIMARY[evaluation.measure][0]
    return number(forced.log_perplexity), f"{forced.accuracy:.1%}", number(evaluation.measures[name])
