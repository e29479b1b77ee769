"""Examples with what the model made of them, each kind of data shown as what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multimodel.evaluation.evaluate import Sample, TaskEvaluation
from multimodel.evaluation.table import number
from multimodel.report.inputs import Inputs
from multimodel.report.markup import Markup, element, joined
from multimodel.report.media import picture, recording
from multimodel.report.tree_picture import can_be_drawn, tree_picture
from multimodel.tasks.task import Task
from multimodel.trees import Tree, TreeError, read_tree

NOTES = {"tree": ". Green constituents of an answer are in the reference too, red ones are not."}
GONE = "This example is not in the data any more."


def sample_section(task: Task, evaluation: TaskEvaluation, inputs: Inputs) -> Markup:
    """All samples of a task, and all its measures."""
    cards = [
        card(task, sample, inputs.raw.get((task.name, sample.row)), missing=inputs.missing or GONE)
        for sample in evaluation.samples
    ]
    wide = "samples wide" if task.measure == "tree" else "samples"
    return element(
        "section",
        element("h3", task.name),
        element("p", f"{task.input.spec.kind} → {task.command}{NOTES.get(task.measure, '')}", class_="quiet"),
        element("div", *cards, class_=wide),
        measures(evaluation),
        id=f"task-{task.name}",
    )


def card(task: Task, sample: Sample, raw: Any | None, *, missing: str) -> Markup:
    """One example: input, reference, answer."""
    given = (
        element("p", missing, class_="quiet")
        if raw is None
        else INPUTS.get(task.input.spec.kind, text_input)(raw, sample)
    )
    rows = [joined(element("dt", "Input"), element("dd", given)), ANSWERS.get(task.measure, text_answer)(sample)]
    return element("article", element("dl", *rows), element("p", sample.id, class_="id"), class_="card")


def quoted(text: str) -> Markup:
    """Text in whatever direction it is written."""
    return element("p", text, dir="auto", class_="text") if text.strip() else element("p", "(nothing)", class_="quiet")


def text_answer(sample: Sample) -> Markup:
    """Reference and answer as text."""
    return pair(quoted(sample.output), quoted(sample.answer))


def class_answer(sample: Sample) -> Markup:
    """Reference and answer, and whether they are the same."""
    right = sample.output == sample.answer
    mark = element("span", "✓ right" if right else "✗ wrong", class_="yes" if right else "no")
    return pair(quoted(sample.output), element("p", sample.answer, " ", mark))


def tree_answer(sample: Sample) -> Markup:
    """Both trees drawn, what the answer has and the reference has not marked; brackets below to be copied."""
    reference, answer = parsed(sample.output), parsed(sample.answer)
    brackets = element(
        "details",
        element("summary", "as brackets"),
        element("p", sample.output, class_="code"),
        element("p", sample.answer, class_="code"),
    )
    drawn = pair(tree_box(reference, None, sample.output), tree_box(answer, reference, sample.answer))
    return joined(drawn, element("dd", brackets))


def parsed(text: str) -> Tree | None:
    """The tree of a bracketed line, None if it is none."""
    try:
        return read_tree(text)
    except TreeError:
        return None


def tree_box(tree: Tree | None, reference: Tree | None, text: str) -> Markup:
    """A drawing, or the brackets of what cannot be drawn."""
    if tree is None or not can_be_drawn(tree):
        return element("p", text, class_="code")
    about = "Parse tree of the answer" if reference else "Parse tree of the reference"
    return element("div", tree_picture(tree, reference, f"{about}: {text}").inline(), class_="scroll")


def pair(reference: Markup, answer: Markup) -> Markup:
    """Two rows of a card."""
    return joined(
        *(element("dt", "Reference"), element("dd", reference)), *(element("dt", "Answer"), element("dd", answer))
    )


def measures(evaluation: TaskEvaluation) -> Markup:
    """Everything that was measured on the decoded answers."""
    heads = [element("th", name, scope="col") for name in ("measure", "model", "shuffled input", "baseline")]
    columns = (evaluation.measures, evaluation.shuffled_measures, evaluation.baseline_measures)
    rows = [
        element(
            "tr", element("th", name, scope="row"), *(element("td", number(column.get(name))) for column in columns)
        )
        for name in evaluation.measures
    ]
    signatures = [element("p", f"{name}: {value}", class_="code") for name, value in evaluation.signatures.items()]
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
    search = "greedy search" if evaluation.beams == 1 else f"{evaluation.beams} beams"
    return element(
        "details",
        element("summary", f"All measures of {evaluation.decoded:,} answers, {search}"),
        element("div", table, class_="scroll"),
        *signatures,
    )


def image_input(raw: Any, sample: Sample) -> Markup:
    """A picture; its reference is not its description, so that a reader can guess too."""
    return picture(raw, f"Input picture {sample.id}")


def sound_input(raw: Any, sample: Sample) -> Markup:
    """A player."""
    return recording(raw, f"Input recording {sample.id}")


def text_input(raw: Any, sample: Sample) -> Markup:
    """A text, a class, or a kind of data from outside the package, as text."""
    return quoted(str(raw))


INPUTS: Mapping[str, Callable[[Any, Sample], Markup]] = {
    "image": image_input,
    "spectrogram": sound_input,
    "waveform": sound_input,
}
ANSWERS: Mapping[str, Callable[[Sample], Markup]] = {"class": class_answer, "tree": tree_answer}
