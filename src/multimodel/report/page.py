"""The page of a report: its parts in order, in one file that needs nothing from anywhere else."""

from __future__ import annotations

from multimodel.report.experts import expert_section
from multimodel.report.heading import heading
from multimodel.report.inputs import Inputs
from multimodel.report.markup import Markup, element, joined
from multimodel.report.record import Record
from multimodel.report.samples import sample_section
from multimodel.report.scores import score_section
from multimodel.report.style import STYLE
from multimodel.report.training import training_section

PARTS = {
    "scores": "Held-out scores",
    "training": "Training",
    "experts": "Experts of each task",
    "samples": "Samples",
}
# the page itself may not load anything: what it shows, it carries
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"


def page(record: Record, inputs: Inputs) -> str:
    """The whole document."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Run {record.name} · MultiModel"),
        element("style", STYLE),
    )
    bodies = {
        "scores": score_section(record.evaluations, record.tasks),
        "training": training_section(record),
        "experts": expert_section(record),
        "samples": samples(record, inputs),
    }
    parts = [element("section", element("h2", PARTS[key]), body, id=key) for key, body in bodies.items()]
    body = element("body", navigation(), element("main", heading(record), *parts), footer())
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def navigation() -> Markup:
    """Links to the parts."""
    return element("nav", *(element("a", name, href=f"#{key}") for key, name in PARTS.items()), aria_label="Parts")


def samples(record: Record, inputs: Inputs) -> Markup:
    """All evaluated tasks, in the order of the run."""
    tasks = {task.name: task for task in record.config.tasks}
    shown = [evaluation for evaluation in record.evaluations if evaluation.task in tasks]
    note = [element("p", inputs.missing, class_="note")] if inputs.missing else []
    return joined(*note, *(sample_section(tasks[evaluation.task], evaluation, inputs) for evaluation in shown))


def footer() -> Markup:
    """Where the page comes from."""
    return element("footer", "Written by multimodel report. The samples are spread evenly over the decoded examples.")
