"""The table of an evaluation: one row a task, its controls beside it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from multimodel.evaluation.evaluate import TaskEvaluation
from multimodel.metrics import PRIMARY

COLUMNS = (
    "task",
    "log-ppl",
    "shuffled",
    "unigram",
    "bigram",
    "accuracy",
    "measure",
    "shuffled",
    "baseline",
    "learned",
)

LEGEND = (
    "log-ppl: nats per symbol, the true symbols before it given; shuffled: how many more with another example's input, "
    "± standard error; measure: of decoded answers, then with shuffled input, then of a parser or guesser that learns "
    "nothing from the input"
)


def cells(evaluation: TaskEvaluation) -> tuple[str, ...]:
    """One row as text."""
    forced, name = evaluation.teacher_forced, PRIMARY[evaluation.measure][0]
    return (
        evaluation.task,
        f"{forced.log_perplexity:.2f}",
        f"{forced.gap:+.2f} ± {forced.gap_error:.2f}",
        number(evaluation.baselines.get("unigram_log_perplexity")),
        number(evaluation.baselines.get("bigram_log_perplexity")),
        f"{forced.accuracy:.1%}",
        f"{name} {number(evaluation.measures[name])}",
        number(evaluation.shuffled_measures[name]),
        number(evaluation.baseline_measures.get(name)),
        "yes" if forced.learned else "not yet",
    )


def number(value: float | None) -> str:
    """About three digits, a dash where there is nothing."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def evaluation_table(evaluations: Sequence[TaskEvaluation]) -> Table:
    """For a terminal."""
    table = Table(title=f"Held-out scores ({evaluations[0].split})", caption=LEGEND)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "task" else "right", no_wrap=True)
    for evaluation in evaluations:
        table.add_row(*map(escape, cells(evaluation)))
    return table


def markdown_table(evaluations: Sequence[TaskEvaluation]) -> str:
    """The same for documents."""
    rows = [COLUMNS, tuple("---" if column == "task" else "---:" for column in COLUMNS), *map(cells, evaluations)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def samples_table(evaluations: Sequence[TaskEvaluation], each: int = 2) -> Table:
    """A few held-out examples of each task: what was wanted, and what the model wrote."""
    table = Table(title="Samples", show_lines=True)
    for column in ("task", "example", "wanted", "written"):
        table.add_column(column)
    for evaluation in evaluations:
        for sample in evaluation.samples[:each]:
            table.add_row(*map(escape, (evaluation.task, sample.id, sample.output, sample.answer)))
    return table
