"""Ways of doing the same thing, timed in turn: A B A B …, because a shared machine's speed drifts within minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

WARM_UP = 2  # rounds that are not counted: they compile, allocate and fill caches

Way = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """Median of what was measured, between its lower and upper quartile."""

    low: float
    median: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Quartiles, interpolated."""
    return Spread(*np.quantile(list(values), (0.25, 0.5, 0.75)).tolist())


@dataclass(frozen=True)
class Times:
    """Seconds of each way, round by round."""

    seconds: Mapping[str, Sequence[float]]

    def milliseconds(self, way: str, parts: int = 1) -> Spread:
        """What one call takes, or each of its equal parts."""
        return spread(1e3 * taken / parts for taken in self.seconds[way])

    def speed(self, way: str, amount: int) -> Spread:
        """Amount per second, where one call does `amount`."""
        return spread(amount / taken for taken in self.seconds[way])

    def multiple(self, way: str, floor: float) -> Spread:
        """Time as a multiple of a number of seconds."""
        return spread(taken / floor for taken in self.seconds[way])

    def ratio(self, way: str, other: str) -> Spread:
        """Time of `way` ÷ time of `other` in the same round."""
        return quotient(self.seconds[way], self.seconds[other])

    def difference(self, way: str, part: str) -> list[float]:
        """Time of `way` without that of a `part` of it, round by round."""
        return [a - b for a, b in zip(self.seconds[way], self.seconds[part], strict=True)]


def quotient(taken: Iterable[float], other: Iterable[float], scale: float = 1.0) -> Spread:
    """Round by round, times `scale`."""
    return spread(scale * a / b for a, b in zip(taken, other, strict=True))


def in_turn(ways: Mapping[str, Way], rounds: int, device: torch.device) -> Times:
    """Every way once a round, in their order; the first `WARM_UP` rounds are not counted."""
    taken = [{name: seconds(way, device) for name, way in ways.items()} for _ in range(WARM_UP + rounds)]
    return Times({name: [round_[name] for round_ in taken[WARM_UP:]] for name in ways})


def seconds(way: Way, device: torch.device) -> float:
    """One call, until the device has finished it."""
    finish(device)
    started = time.perf_counter()
    way()
    finish(device)
    return time.perf_counter() - started


def finish(device: torch.device) -> None:
    """Wait for what was asked of a GPU; a CPU has done it already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
