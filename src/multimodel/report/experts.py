"""The part of a report on experts: a heat map of each mixture, and what it shows in words."""

from __future__ import annotations

from multimodel.report.expert_use import LayerUse, Pair, layer_uses, pairs
from multimodel.report.heat_map import heat_map
from multimodel.report.markup import Markup, element, joined
from multimodel.report.record import Record


def expert_section(record: Record) -> Markup:
    """Every mixture, or a sentence that there is none."""
    uses = layer_uses(record.evaluations)
    if not uses:
        return element("p", "This model has no mixture of experts.")
    about = element(
        "p",
        "Each shade is the share of a task's gates that went to one expert, on held-out examples without noise. On "
        "the right stands how many experts, used evenly, would spread the task as far.",
    )
    figures = [
        element(
            "figure",
            element("figcaption", use.layer.capitalize()),
            element("div", heat_map(use).inline(), class_="scroll"),
            element("p", in_words(use)),
        )
        for use in uses
    ]
    return joined(about, *figures)


def in_words(use: LayerUse) -> str:
    """The most and the least alike tasks, by total variation distance."""
    found = pairs(use)
    if not found:
        return f"Only {use.tasks[0]} was evaluated here: there is nothing to compare its experts with."
    alike, mean = found[0], sum(pair.distance for pair in found) / len(found)
    if len(found) == 1:
        return (
            f"In the {use.layer}, the distance between {named(alike)}: 0 would be the same experts, 1 none in common."
        )
    return (
        f"In the {use.layer}, the tasks most alike in their experts are {named(alike)}, the most different "
        f"{named(found[-1])}; two tasks differ by {mean:.2f} on average. The distance is the total variation: 0 means "
        "the same experts equally often, 1 none in common."
    )


def named(pair: Pair) -> str:
    """Two tasks and their distance."""
    return f"{pair.first} and {pair.second} ({pair.distance:.2f})"
