"""A heat map of one mixture of experts: a row a task, a column an expert, the darker the more it was used."""

from __future__ import annotations

import numpy as np

from multimodel.layers.experts import effective_experts
from multimodel.report.drawing import Drawing, text
from multimodel.report.expert_use import LayerUse, grouped
from multimodel.report.markup import Markup, element, joined

LEFT, RIGHT, TOP, ROW, BOTTOM = 96.0, 100.0, 24.0, 24.0, 52.0
WIDTH = 960.0
KEY_STEPS, SHADE = 5, 34.0


def heat_map(use: LayerUse) -> Drawing:
    """The map with its key; experts that the same task uses most stand side by side."""
    tasks, experts = use.shares.shape
    order, most = grouped(use.shares), max(float(use.shares.max()), 1e-9)
    cell = (WIDTH - LEFT - RIGHT) / experts
    rows = [_row(use, number, order, cell, most) for number in range(tasks)]
    frame = element("rect", x=LEFT, y=TOP, width=cell * experts, height=ROW * tasks, class_="frame")
    bottom = TOP + ROW * tasks
    caption = text(LEFT, bottom + 14, f"{experts} experts, grouped by the task that uses each most", class_="faint")
    heading = text(WIDTH - RIGHT + 10, TOP - 12, "experts in use", class_="faint")
    return Drawing(
        width=WIDTH,
        height=bottom + BOTTOM,
        about=f"Heat map of the {use.layer}'s {experts} experts for {', '.join(use.tasks)}",
        content=joined(*rows, frame, caption, heading, _key(bottom + 26, most, 1 / experts)),
    )


def _row(use: LayerUse, number: int, order: np.ndarray, cell: float, most: float) -> Markup:
    y, shares, task = TOP + ROW * number, use.shares[number], use.tasks[number]
    name = text(LEFT - 8, y + ROW / 2, task, anchor="end")
    cells = [
        element(
            "rect",
            element("title", f"{task}, expert {expert + 1}: {shares[expert]:.1%}"),
            x=LEFT + cell * place,
            y=y,
            width=cell,
            height=ROW,
            fill_opacity=float(shares[expert]) / most,
        )
        for place, expert in enumerate(order.tolist())
    ]
    effective = text(WIDTH - RIGHT + 10, y + ROW / 2, f"≈ {effective_experts(shares):.1f}", class_="faint")
    return joined(name, element("g", *cells, class_="heat"), effective)


def _key(y: float, most: float, even: float) -> Markup:
    """What the shades mean."""
    shares = [most * step / KEY_STEPS for step in range(KEY_STEPS + 1)]
    boxes = [
        element("rect", x=LEFT + SHADE * place, y=y, width=SHADE, height=10, fill_opacity=share / most)
        for place, share in enumerate(shares)
    ]
    ends = (
        text(LEFT, y + 19, "0%", class_="faint"),
        text(LEFT + SHADE * len(shares), y + 19, f"{most:.0%}", anchor="end", class_="faint"),
    )
    said = f"of a task's gates; spread evenly it would be {even:.1%} each"
    note = text(LEFT + SHADE * len(shares) + 14, y + 5, said, class_="faint")
    frame = element("rect", x=LEFT, y=y, width=SHADE * len(shares), height=10, class_="frame")
    return joined(element("g", *boxes, class_="heat"), frame, *ends, note)
