"""Where training stands: what the next step depends on besides weights and moments."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(kw_only=True)
class State:
    """Saved with every checkpoint.

    `positions` are those of the next batch of each task, `averages` moving averages of its loss, `norms` of its
    gradients' norm. `skipped` counts steps that taught nothing, `failing` those of a task in a row; `rollbacks` those
    since the task `diverged` last was well, which it is after `recovered` has grown enough; `slowing` is the factor of
    the learning rate that they left. `pieces` are those that a task's batches are cut into where memory is short.
    `held_out` are losses on held-out examples at the time.
    """

    step: int = 0
    seconds: float = 0.0
    positions: dict[str, int]
    averages: dict[str, float]
    norms: dict[str, float] = field(default_factory=dict)
    skipped: int = 0
    failing: dict[str, int] = field(default_factory=dict)
    rollbacks: int = 0
    diverged: str = ""
    recovered: int = 0
    slowing: float = 1.0
    pieces: dict[str, int] = field(default_factory=dict)
    held_out: dict[str, float] = field(default_factory=dict)


def state_from_json(values: dict[str, Any]) -> State:
    """What was saved; raises `TypeError` for what is no state."""
    state = State(**values)
    for one in fields(State):
        value = getattr(state, one.name)
        if one.type == "str":
            good = isinstance(value, str)
        elif str(one.type).startswith("dict"):
            fits = _is_number if one.type == "dict[str, float]" else _is_amount  # a loss may be a rounding below 0
            good = isinstance(value, dict) and all(map(fits, value.values()))
        else:
            good = _is_amount(value)
        if not good:
            raise TypeError(f"{one.name} is {value!r}")
    return state


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def _is_amount(value: Any) -> bool:
    return _is_number(value) and value >= 0
