"""A chart of curves over steps, each named at its end instead of in a box to be looked up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multimodel.report.drawing import HUES, Drawing, hue, text
from multimodel.report.markup import Markup, element, joined
from multimodel.report.series import Line

WIDTH, HEIGHT = 960.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 140.0, 34.0, 46.0
GAP = 16.0  # between two names


@dataclass(frozen=True, kw_only=True)
class Axes:
    """From steps and values to places in the drawing; the value axis starts at 0."""

    first: float
    last: float
    top: float
    height: float

    def x(self, step: float) -> float:
        """Place of a step."""
        return LEFT + (step - self.first) / max(self.last - self.first, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Place of a value."""
        return TOP + (1 - value / self.top) * (self.height - TOP - BOTTOM)


def line_chart(
    lines: Sequence[Line], about: str, unit: str, number: Callable[[float], str], height: float = HEIGHT
) -> Drawing:
    """Curves with axes; `unit` names the values and `number` writes one."""
    highest = max((max(line.ys) for line in lines), default=1.0) or 1.0
    ticks = round_ticks(0.0, highest, 5)
    steps = [line.xs for line in lines] or [(0.0, 1.0)]
    axes = Axes(
        first=min(xs[0] for xs in steps), last=max(xs[-1] for xs in steps), top=max(highest, ticks[-1]), height=height
    )
    content = joined(_value_axis(axes, ticks, unit, number), _step_axis(axes), _curves(axes, lines, number))
    return Drawing(width=WIDTH, height=height, about=about, content=content)


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from at or above `low` on, about `count`, the last at most half a tick below `high`."""
    raw = max(high - low, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(raw))
    size = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 0.5)
    return [place * size for place in range(first, max(last, first + 1) + 1)]


def _value_axis(axes: Axes, ticks: Sequence[float], unit: str, number: Callable[[float], str]) -> Markup:
    rules = [element("path", d=f"M{LEFT} {axes.y(tick):.1f}H{WIDTH - RIGHT}", class_="rule") for tick in ticks]
    names = [text(LEFT - 8, axes.y(tick), number(tick), anchor="end", class_="faint") for tick in ticks]
    return joined(*rules, *names, text(LEFT, 12.0, unit))


def _step_axis(axes: Axes) -> Markup:
    ticks = [tick for tick in round_ticks(axes.first, axes.last, 6) if axes.first <= tick <= axes.last]
    bottom = axes.height - BOTTOM
    names = [text(axes.x(tick), bottom + 14, f"{tick:,.0f}", anchor="middle", class_="faint") for tick in ticks]
    return joined(*names, text((LEFT + WIDTH - RIGHT) / 2, bottom + 34, "step", anchor="middle"))


def _curves(axes: Axes, lines: Sequence[Line], number: Callable[[float], str]) -> Markup:
    ends = [axes.y(line.ys[-1]) for line in lines]
    places = spread(ends, GAP, TOP, axes.height - BOTTOM)
    return joined(
        *(
            _curve(axes, line, order, end, place, number)
            for order, (line, end, place) in enumerate(zip(lines, ends, places, strict=True))
        )
    )


def _curve(axes: Axes, line: Line, order: int, end: float, place: float, number: Callable[[float], str]) -> Markup:
    points = [f"{axes.x(x):.1f} {axes.y(y):.1f}" for x, y in zip(line.xs, line.ys, strict=True)]
    label, right = f"{line.name} {number(line.ys[-1])}", axes.x(line.xs[-1])
    drawn = element("path", d=f"M{'L'.join(points)}", class_="curve dashed" if order // HUES % 2 else "curve")
    dot = element("circle", cx=right, cy=end, r=2.5, fill="currentColor")
    lead = element("path", d=f"M{right + 4:.1f} {end:.1f}L{WIDTH - RIGHT + 16} {place:.1f}", class_="lead")
    name = text(WIDTH - RIGHT + 20, place, label, class_="label")
    return element("g", element("title", label), drawn, dot, lead, name, class_=hue(order))


def spread(places: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """The same places in the same order, moved so that no two are nearer than `gap`, within the bounds if it can be."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    limit = -math.inf
    for index in order:
        moved[index] = limit = max(places[index], limit + gap, top)
    limit = bottom + gap
    for index in reversed(order):
        moved[index] = limit = min(moved[index], limit - gap)
    return moved
