"""What is to be reached, and whether it was: the worst row that was measured stands for each goal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from multimodel.benchmark.results import Figure, Result, Row
from multimodel.benchmark.timing import Spread


class Goal(NamedTuple):
    """A bound on a column of a part, in the rows whose whole names match; rates are to be higher, costs lower."""

    name: str
    part: str
    rows: str
    column: str
    bound: float
    higher: bool = False


GOALS = (
    Goal("ConvStep over its matrix product", "blocks", "quickstart: ConvStep .* backward", "× pointwise", 3.0),
    Goal("experts over their floor", "blocks", ".* experts, .* backward", "× floor", 1.5),
    Goal("training over the plain paths", "steps", "mixture", "plain ÷ ours", 6.0, higher=True),
    Goal("padding, %", "steps", ".*", "padding, %", 10.0),
    Goal("base's step over its matmul floor", "transformer", "base: training.*", "ours × matmul floor", 2.0),
    Goal("training over a Transformer", "transformer", ".*: training.*", "ours ÷ Transformer", 1.0, higher=True),
    Goal("decoding over a Transformer", "transformer", ".*: decoding.*", "ours ÷ Transformer", 1.0, higher=True),
    Goal("a symbol of 512 over one of 32", "decoding", ".*, 512 symbols", "× cost of a symbol", 1.3),
    Goal("symbols/s, one sentence", "decoding", "batch 1, 32 symbols", "greedy, symbols/s", 1008.0, higher=True),
    Goal("symbols/s, 16 sentences", "decoding", "batch 16, 32 symbols", "greedy, symbols/s", 8160.0, higher=True),
    Goal("beam 4 over greedy", "decoding", ".*", "beam 4 ÷ greedy", 3.0),
    Goal("--help, ms", "startup", "multimodel --help", "ms", 500.0),
    Goal("import, ms", "startup", "import multimodel.*", "ms", 1500.0),
    Goal("predict, ms", "startup", "multimodel predict", "ms", 3000.0),
)


def judged(results: Mapping[str, Result]) -> Result:
    """A row for each goal of the parts that have rows."""
    rows = [row for goal in GOALS if goal.part in results and (row := judge(goal, results[goal.part]))]
    return Result(
        title="What is to be reached",
        about="Of the rows below that a goal is about, the worst by its median.",
        drawn="",
        rows=rows,
    )


def judge(goal: Goal, result: Result) -> Row | None:
    """The worst row and whether it reached the goal; none where nothing of it was measured."""
    found = [row for row in result.rows if re.fullmatch(goal.rows, row.name) and goal.column in row.figures]
    if not found:
        return None
    worst = (min if goal.higher else max)(found, key=lambda row: middle(row.figures[goal.column]))
    figure = worst.figures[goal.column]
    reached = (middle(figure) >= goal.bound) if goal.higher else (middle(figure) <= goal.bound)
    figures: dict[str, Figure] = {
        "goal": f"{'≥' if goal.higher else '≤'} {goal.bound:,.4g}",
        "measured": figure,
        "reached": "yes" if reached else "no",
        "in": worst.name,
    }
    return Row(goal.name, figures)


def middle(figure: Figure) -> float:
    """The median of a spread, a number itself."""
    return figure.median if isinstance(figure, Spread) else float(figure)
