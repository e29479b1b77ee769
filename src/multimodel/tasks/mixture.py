"""Which task trains at which step: a pure function of the seed, the step and, for one rule, the losses so far.

The paper gives each task a worker of its own; here the rule is explicit, seeded and resumable. Temperature and cap are
those of multi-task text models (Raffel et al. 2019, section 3.5.2); `adaptive` is the rule in the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from multimodel.errors import InputError
from multimodel.tasks.batching import Stream

RULES = ("round-robin", "uniform", "proportional", "adaptive")
FIRST_AVERAGE = 100.0  # no loss is that high, so every task is tried early
DECAY = 0.9
CHOICE = 1  # keeps these draws apart from others of the same seed


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Tasks and the rule that picks among them.

    `round-robin`: in turn, as often as the rates say. `uniform`: at random, as often as the rates say.
    `proportional`: at random, p ∝ rate · min(examples, cap)^(1/temperature).
    `adaptive`: at random, p = softmax of the losses' moving averages; rates do not count.
    """

    names: tuple[str, ...]
    rates: tuple[float, ...]
    examples: tuple[int, ...]
    rule: str = "round-robin"
    temperature: float = 1.0
    cap: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.names or len({len(self.names), len(self.rates), len(self.examples)}) != 1:
            raise InputError("A mixture needs at least one task, and a rate and a number of examples for each.")
        if self.rule not in RULES:
            raise InputError(f"There is no mixture rule {self.rule!r}: choose from {', '.join(RULES)}.")
        if self.temperature <= 0 or min(self.rates) <= 0 or (self.cap is not None and self.cap < 1):
            raise InputError("Rates, temperature and cap of a mixture must be above 0.")

    def shares(self, averages: Mapping[str, float] | None = None) -> dict[str, float]:
        """The expected share of steps per task; `averages` matter to the rule `adaptive` only."""
        if self.rule == "adaptive":
            known = averages or first_averages(self.names)
            logits = np.array([known[name] for name in self.names])
            weights = np.exp(logits - logits.max())
        else:
            weights = np.array(self.rates) * self._sizes()
        return dict(zip(self.names, (weights / weights.sum()).tolist(), strict=True))

    def choose(self, step: int, averages: Mapping[str, float] | None = None) -> str:
        """The task of a step, counted from 0."""
        shares = list(self.shares(averages).values())
        if self.rule == "round-robin":
            return self.names[in_turn(step, shares)]
        draw = np.random.default_rng([self.seed, CHOICE, step]).random()
        position = int(np.searchsorted(np.cumsum(shares), draw, side="right"))
        return self.names[min(position, len(self.names) - 1)]

    def _sizes(self) -> np.ndarray:
        if self.rule != "proportional":
            return np.ones(len(self.names))
        capped = np.minimum(self.examples, self.cap or max(self.examples)).astype(np.float64)
        return capped ** (1 / self.temperature)


def first_averages(names: Sequence[str]) -> dict[str, float]:
    """The moving averages before any loss is known."""
    return dict.fromkeys(names, FIRST_AVERAGE)


def updated_averages(averages: Mapping[str, float], name: str, loss: float) -> dict[str, float]:
    """The moving averages after a step of task `name`."""
    return {**averages, name: DECAY * averages[name] + (1 - DECAY) * loss}


def in_turn(step: int, shares: Sequence[float]) -> int:
    """Which of several takes this turn, so that at any step each has had its share to within one turn or so.

    The k-th turn of one with share p is due at (k + ½)/p; turns are taken in the order in which they are due.
    """
    long_ago = max(0, step - len(shares))
    done = [floor(long_ago * share + 0.5) for share in shares]  # all due by then, fewer than `step` in total
    due = [
        ((turn + 0.5) / share, number)
        for number, (share, first) in enumerate(zip(shares, done, strict=True))
        for turn in range(first, first + 2 * len(shares) + 1)
    ]
    return sorted(due)[step - sum(done)][1]


@dataclass(frozen=True, kw_only=True)
class MixtureRow:
    """What a mixture will do with one task, before the first step.

    `symbols` are all target symbols of an epoch; `share` of the steps; `epochs` passes through the examples in all
    steps; `longest` the largest input cost and target length.
    """

    task: str
    examples: int
    too_long: int
    symbols: int
    share: float
    epochs: float
    longest_input: int
    longest_output: int


def describe(mixture: Mixture, streams: Mapping[str, Stream], steps: int) -> list[MixtureRow]:
    """One row per task for a run of `steps` steps."""
    return [_row(streams[name], share, steps) for name, share in mixture.shares().items()]


def _row(stream: Stream, share: float, steps: int) -> MixtureRow:
    encoded, batches = stream.encoded, len(stream.plan(0))
    symbols = int(encoded.output_lengths.sum())
    return MixtureRow(
        task=stream.task.name,
        examples=len(encoded),
        too_long=encoded.too_long,
        symbols=symbols,
        share=share,
        epochs=share * steps / batches,
        longest_input=int(encoded.input_costs.max()),
        longest_output=int(encoded.output_lengths.max()),
    )
