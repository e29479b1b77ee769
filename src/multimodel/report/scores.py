"""The held-out table of a report, with a paragraph on how to read it."""

from __future__ import annotations

from collections.abc import Sequence

from multimodel.evaluation.evaluate import CLEARLY_ERRORS, CLEARLY_NATS, TaskEvaluation
from multimodel.evaluation.table import number
from multimodel.metrics import PRIMARY
from multimodel.report.markup import Markup, element, joined

COLUMNS = (
    "task",
    "examples",
    "log-perplexity",
    "with shuffled input",
    "unigram",
    "bigram",
    "accuracy",
    "measure",
    "measure, shuffled",
    "measure, baseline",
    "learned",
)
FULL_NAMES = {
    "wer": "word error rate",
    "top1": "share of classes named right",
    "cider": "CIDEr, 0 to 10",
    "f1": "F1 of labelled brackets, 0 to 1",
    "bleu": "BLEU, 0 to 100",
}
DIRECTIONS = {"higher": "higher is better", "lower": "lower is better"}


def score_section(evaluations: Sequence[TaskEvaluation], tasks: Sequence[str]) -> Markup:
    """The table between what it shows and what it leaves out."""
    absent = [task for task in tasks if task not in {evaluation.task for evaluation in evaluations}]
    note = [element("p", f"Not evaluated: {', '.join(absent)}.")] if absent else []
    return joined(element("div", score_table(evaluations), class_="scroll"), *note, explanation(evaluations))


def score_table(evaluations: Sequence[TaskEvaluation]) -> Markup:
    """One row a task."""
    heads = [element("th", name, scope="col") for name in COLUMNS]
    return element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *map(score_row, evaluations)),
        class_="scores",
    )


def score_row(evaluation: TaskEvaluation) -> Markup:
    """The task links to its samples."""
    learned = evaluation.teacher_forced.learned
    mark = element("span", "yes" if learned else "not yet", class_="yes" if learned else "no")
    return element(
        "tr",
        element("th", element("a", evaluation.task, href=f"#task-{evaluation.task}"), scope="row"),
        *(element("td", cell) for cell in cells(evaluation)),
        element("td", mark),
    )


def cells(evaluation: TaskEvaluation) -> tuple[str, ...]:
    """The numbers of a row as text."""
    forced, name = evaluation.teacher_forced, PRIMARY[evaluation.measure][0]
    return (
        f"{evaluation.examples:,}",
        number(forced.log_perplexity),
        f"{number(forced.shuffled_log_perplexity)} ({forced.gap:+.2f} ± {forced.gap_error:.2f})",
        number(evaluation.baselines.get("unigram_log_perplexity")),
        number(evaluation.baselines.get("bigram_log_perplexity")),
        f"{forced.accuracy:.1%}",
        f"{name} {number(evaluation.measures[name])}",
        number(evaluation.shuffled_measures[name]),
        number(evaluation.baseline_measures.get(name)),
    )


def explanation(evaluations: Sequence[TaskEvaluation]) -> Markup:
    """How to read the table."""
    kinds = dict.fromkeys(evaluation.measure for evaluation in evaluations)
    named = [
        f"{name}: {FULL_NAMES.get(name, name)}, {DIRECTIONS[direction]}"
        for name, direction in (PRIMARY[kind] for kind in kinds)
    ]
    learned = sum(evaluation.teacher_forced.learned for evaluation in evaluations)
    return joined(
        element(
            "p",
            "All numbers come from examples that were kept out of training. Log-perplexity is the loss in nats per "
            "target symbol, each symbol given the true ones before it; lower is better. With ",
            element("b", "shuffled input"),
            " the same model reads the input of another example; in brackets stands what the true input saves, with "
            "its standard error. Unigrams and bigrams know the targets' frequencies and see no input. The measure is "
            "taken on answers that the model wrote by itself; beside it stand the same measure with shuffled inputs "
            "and of a trivial baseline, where there is one. ",
            element("b", "Learned"),
            f" says yes only where the true input saves more than {CLEARLY_NATS} nats and more than "
            f"{CLEARLY_ERRORS:.0f} standard errors, and the log-perplexity is below "
            "that of unigrams: fluent output alone does not count. "
            f"That holds for {learned} of {len(evaluations)} {'task' if len(evaluations) == 1 else 'tasks'}.",
        ),
        element("p", f"Measures: {'; '.join(named)}.", class_="quiet"),
    )
