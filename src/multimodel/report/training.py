"""The part of a report on training: losses, and where time and places went."""

from __future__ import annotations

from multimodel.report.charts import training_charts
from multimodel.report.markup import Markup, element, joined
from multimodel.report.record import Record
from multimodel.report.series import Throughput, throughputs

COLUMNS = (
    "task",
    "steps",
    "examples",
    "symbols",
    "symbols/s",
    "ms per step",
    "share of time",
    "padding",
    "data wait",
    "busiest expert",
)


def training_section(record: Record) -> Markup:
    """Charts and table, or a sentence that the log is missing."""
    charts = training_charts(record)
    if not charts:
        return element("p", "The run's log is missing or empty, so there are no curves.")
    smoothing = record.config.training.label_smoothing
    floor = (
        f" The targets are smoothed (label smoothing {smoothing:g}), so even a perfect model would not reach 0."
        if smoothing
        else ""
    )
    losses = f"Loss in nats per target symbol, each curve a mean over a trailing twentieth of its task's steps.{floor}"
    shares = (
        "Padding is the share of places in batches that hold nothing; data wait the share of time in which the model "
        "waited for its next batch."
    )
    return joined(
        figure("Loss", charts["loss"].inline(), losses),
        figure("Speed", charts["speed"].inline(), "Target symbols trained on per second, all tasks together."),
        figure("Padding and data wait", charts["shares"].inline(), shares),
        element("div", throughput_table(throughputs(record.steps, record.tasks)), class_="scroll"),
        element("p", "Busiest expert: the largest share of the gates that one expert got in a step, on average."),
    )


def figure(heading: str, drawing: Markup, about: str) -> Markup:
    """A chart under its heading."""
    return element(
        "figure",
        element("figcaption", heading),
        element("div", drawing, class_="scroll"),
        element("p", about, class_="quiet"),
    )


def throughput_table(rows: list[Throughput]) -> Markup:
    """One row a task, all together last."""
    heads = [element("th", name, scope="col") for name in COLUMNS]
    body = [
        element("tr", element("th", row.task, scope="row"), *(element("td", cell) for cell in throughput_cells(row)))
        for row in rows
    ]
    return element("table", element("thead", element("tr", *heads)), element("tbody", *body))


def throughput_cells(row: Throughput) -> tuple[str, ...]:
    """All but the name, as text."""
    return (
        f"{row.steps:,}",
        f"{row.examples:,}",
        f"{row.symbols:,}",
        f"{row.speed:,.0f}",
        f"{1000 * row.seconds / row.steps:,.0f}",
        f"{row.time_share:.1%}",
        f"{row.padding:.1%}",
        f"{row.waiting:.1%}",
        f"{row.busiest_expert:.1%}",
    )
