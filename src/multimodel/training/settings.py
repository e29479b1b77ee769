"""How a model is trained: all that a recipe may set, as values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from multimodel.errors import InputError

Precision = Literal["float32", "bfloat16"]

COUNTS = ("steps", "batch_cost", "batch_examples", "accumulate", "cap", "checkpoint_steps", "keep", "threads")
SHARES = ("beta1", "beta2", "label_smoothing")
LIMITS: tuple[tuple[tuple[str, ...], str, Callable[[float], bool]], ...] = (
    ((*COUNTS, "temperature", "learning_rate", "clip"), "above 0", lambda value: value > 0),
    (("minutes",), "a number above 0", lambda value: 0 < value < math.inf),
    (("seed", "warm_up", "weight_decay", "held_out"), "0 or more", lambda value: value >= 0),
    (SHARES, "from 0 to below 1", lambda value: 0 <= value < 1),
)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Budget, mixture, optimiser and housekeeping of a run; `steps` or `minutes`, whichever ends first, ends it."""

    steps: int | None = None
    """Steps to train for."""
    minutes: float | None = None
    """Minutes to train for."""
    seed: int = 0
    """Decides the initial weights, the order of examples, the choice of tasks, dropout and expert noise."""
    batch_cost: int = 2048
    """Most padded positions in a batch, inputs and targets together."""
    batch_examples: int = 64
    """Most examples in a batch."""
    accumulate: int = 1
    """Batches of one task whose gradients are added up before a step."""
    mixing: Literal["round-robin", "uniform", "proportional", "adaptive"] = "round-robin"
    """Rule that picks the task of a step."""
    temperature: float = 2.0
    """Of the proportional rule: 1 follows the number of examples, higher is more even."""
    cap: int | None = None
    """Of the proportional rule: count no task as having more examples than this."""
    rates: dict[str, float] = field(default_factory=dict)
    """Per task: how much more or less often than its share it is picked; 1 where not named."""
    learning_rate: float = 2e-3
    """Of Adam, after the warm-up."""
    warm_up: int = 200
    """Steps in which the rate climbs from 0."""
    decay: Literal["cosine", "noam", "none"] = "cosine"
    """How the rate falls afterwards: to 0 at the run's end, with 1/√step, or not at all."""
    weight_decay: float = 0.0
    """Of AdamW."""
    beta1: float = 0.85
    """Of Adam; the authors' 0.85."""
    beta2: float = 0.997
    """Of Adam; the authors' 0.997."""
    clip: float = 2.0
    """Global norm above which gradients are scaled down; the authors' 2.0."""
    label_smoothing: float = 0.1
    """Share of the target's probability that is spread over the other symbols."""
    precision: Precision = "float32"
    """Of matrix products: float32, or bfloat16 where that is faster: rounded factors on a CPU, autocast on a GPU."""
    checkpoint_steps: int = 1000
    """Steps between two checkpoints."""
    keep: int = 2
    """Latest checkpoints to keep, besides the best of each task and on the mean."""
    held_out: int = 64
    """Held-out examples of each task to find the loss of at every checkpoint; 0 for none, and no best checkpoints."""
    placement: Literal["same-task", "task-per-rank"] = "same-task"
    """Of several processes: all share the batches of one task in a step, or each takes its own task (the paper)."""
    sharding: Literal["none", "full"] = "none"
    """Of several processes: each has the whole model, or a part of its weights, gradients and moments (FSDP2)."""
    threads: int | None = None
    """CPU threads; None leaves it to torch."""

    def __post_init__(self) -> None:
        for names, words, allows in LIMITS:
            for name in names:
                value = getattr(self, name)
                if value is not None and not allows(value):
                    raise InputError(f"The training setting {name} is {value} and must be {words}.")
