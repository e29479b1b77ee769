"""What was measured as a page of Markdown: conditions, then a table and a chart for each part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from multimodel.benchmark.goals import judged
from multimodel.benchmark.machine import Conditions
from multimodel.benchmark.results import Figure, Result
from multimodel.benchmark.timing import Spread

HEAD = "# Performance\n\n"
MARK = "<!-- Below this line `multimodel bench` overwrites. -->\n\n"
INTRODUCTION = """Compare ratios, not times: times drift with what else a machine does, while ratios are of things that
took turns.
"""


def page(results: Mapping[str, Result], charts: Mapping[str, str]) -> str:
    """All below the mark; `charts` are paths of pictures by part."""
    everywhere = shared([result.conditions for result in results.values()])
    parts = [part(result, charts.get(name), everywhere) for name, result in results.items()]
    lines = [f"- {name}: {words(name, value)}" for name, value in everywhere.items()]
    return "\n".join([INTRODUCTION, *lines, part(judged(results), None, everywhere), *parts])


def shared(conditions: Sequence[Conditions]) -> Conditions:
    """Those that were the same for all parts."""
    first, *others = conditions or [{}]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def words(name: str, value: str) -> str:
    """A condition; a command is set as code."""
    return f"`{value}`" if name == "command" else value


def part(result: Result, chart: str | None, everywhere: Conditions) -> str:
    """A heading, what it means, conditions of its own, a table, a picture, and what is missing."""
    own = [f"{name}: {words(name, value)}" for name, value in result.conditions.items() if name not in everywhere]
    paragraphs = (
        f"\n## {result.title}\n",
        f"{result.about}\n",
        f"{'; '.join(own)}\n" if own else "",
        table(result),
        f"![{result.drawn}]({chart})\n" if chart else "",
        f"{result.left_out}\n" if result.left_out else "",
    )
    return "\n".join(filter(None, paragraphs))


def table(result: Result) -> str:
    """One line a row, a column for every figure that any row has."""
    columns = list(dict.fromkeys(column for row in result.rows for column in row.figures))
    if not columns:
        return ""
    lines = [("", *columns), ("---", *("---:" for _ in columns))]
    lines += [(row.name, *(cell(row.figures.get(column, "–")) for column in columns)) for row in result.rows]
    return "\n".join(map(line, lines)) + "\n"


def line(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def cell(figure: Figure) -> str:
    """A number, with its quartiles where it has some."""
    if isinstance(figure, Spread):
        return f"{number(figure.median)} ({number(figure.low)}–{number(figure.high)})"
    return figure if isinstance(figure, str) else number(figure)


def number(value: float | int) -> str:
    """Three digits, or all of a whole number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
