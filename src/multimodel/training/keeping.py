"""Which checkpoints of a run are kept: the last few, the best of each task, and the best on the mean of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MEAN = "mean"


def best(held_out: Mapping[Path, Mapping[str, float]]) -> dict[str, Path]:
    """Per task the checkpoint of the lowest loss on held-out examples, and the one of the lowest mean; the earlier of
    equals.

    Checkpoints that were held against other tasks than the newest one do not count: their means would not compare.
    """
    scored = {place: losses for place, losses in held_out.items() if losses}
    if not scored:
        return {}
    tasks = scored[max(scored)].keys()
    alike = [place for place in sorted(scored) if scored[place].keys() == tasks]
    found = {task: min(alike, key=lambda place: scored[place][task]) for task in tasks}
    return {MEAN: min(alike, key=lambda place: sum(scored[place].values())), **found}


def kept(held_out: Mapping[Path, Mapping[str, float]], last: int) -> set[Path]:
    """The checkpoints to keep, of those with these losses on held-out examples."""
    return {*sorted(held_out)[-last:], *best(held_out).values()}
