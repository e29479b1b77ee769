"""A part's ratios as a drawing: a dot at each median, a bar from quartile to quartile, a line at 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

from multimodel.benchmark.page import number
from multimodel.benchmark.results import Result
from multimodel.benchmark.timing import Spread
from multimodel.report.drawing import Drawing, hue, text
from multimodel.report.markup import Markup, element, joined

WIDTH, LEFT, RIGHT, TOP, LINE = 960.0, 400.0, 60.0, 44.0, 18.0
TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis from `low` to `high`."""

    low: float
    high: float

    def x(self, ratio: float) -> float:
        """Place of a ratio."""
        share = math.log(ratio / self.low) / math.log(self.high / self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def chart(result: Result) -> Drawing | None:
    """The column that the part names; none where nothing of it was measured.

    Where a ratio is of differences, noise can make it negative: it has no place on the axis then.
    """
    found = {row.name: row.figures.get(result.drawn) for row in result.rows}
    ratios = {name: figure for name, figure in found.items() if isinstance(figure, Spread) and figure.low > 0}
    if not ratios:
        return None
    low, high = min(ratio.low for ratio in ratios.values()), max(ratio.high for ratio in ratios.values())
    scale = Scale(min(low, 1.0) / 1.1, max(high, 1.0) * 1.1)
    bottom = TOP + LINE * len(ratios)
    content = joined(
        text(LEFT, 12.0, result.drawn, class_="label"),
        *(_tick(scale, tick, bottom) for tick in TICKS if scale.low <= tick <= scale.high),
        element("path", d=f"M{scale.x(1.0):.1f} {TOP - 8}V{bottom}", class_="frame"),
        *(_ratio(scale, name, ratio, TOP + LINE * (order + 0.5)) for order, (name, ratio) in enumerate(ratios.items())),
    )
    return Drawing(width=WIDTH, height=bottom + 8, about=f"{result.title}: {result.drawn}", content=content)


def _tick(scale: Scale, tick: float, bottom: float) -> Markup:
    rule = element("path", d=f"M{scale.x(tick):.1f} {TOP - 8}V{bottom}", class_="rule")
    return joined(rule, text(scale.x(tick), TOP - 16, f"{tick:g}", anchor="middle", class_="faint"))


def _ratio(scale: Scale, name: str, ratio: Spread, y: float) -> Markup:
    bar = element("path", d=f"M{scale.x(ratio.low):.1f} {y}H{scale.x(ratio.high):.1f}", class_="curve")
    dot = element("circle", cx=scale.x(ratio.median), cy=y, r=4.0, fill="currentColor")
    value = text(scale.x(ratio.high) + 8, y, number(ratio.median), class_="faint")
    return joined(text(LEFT - 12, y, name, anchor="end"), element("g", bar, dot, class_=hue(0)), value)
