"""All charts of a run by name: the same drawings for its page and for files."""

from __future__ import annotations

from multimodel.report.drawing import Drawing
from multimodel.report.expert_use import layer_uses
from multimodel.report.heat_map import heat_map
from multimodel.report.line_chart import line_chart
from multimodel.report.record import Record
from multimodel.report.series import loss_lines, share_lines, speed_line

LOW = 240.0


def training_charts(record: Record) -> dict[str, Drawing]:
    """Loss, speed, and the shares that padding and waiting took; none without a log."""
    if not record.steps:
        return {}
    losses = loss_lines(record.steps, record.tasks)
    ends = ", ".join(f"{line.name} {line.ys[-1]:.2f}" for line in losses)
    return {
        "loss": line_chart(
            losses, f"Training loss of each task over steps, at the end: {ends}", "nats per symbol", "{:.3g}".format
        ),
        "speed": line_chart(
            [speed_line(record.steps)],
            "Target symbols per second over steps",
            "symbols per second",
            "{:,.0f}".format,
            LOW,
        ),
        "shares": line_chart(
            share_lines(record.steps),
            "Shares of padding and of waiting for data over steps",
            "share of places, of time",
            "{:.1%}".format,
            LOW,
        ),
    }


def expert_charts(record: Record) -> dict[str, Drawing]:
    """A heat map for each mixture of experts; none where the model has no mixture."""
    return {f"experts-{use.layer.replace(' ', '-')}": heat_map(use) for use in layer_uses(record.evaluations)}
