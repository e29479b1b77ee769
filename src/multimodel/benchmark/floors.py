"""The time below which a block cannot be computed: arithmetic ÷ matmul rate or bytes ÷ copy rate, whichever is more.

Bytes are what an ideal block would move: its input, its output and its weights once each, and nothing between. What
fits a cache can move faster than a copy, so a very small block may lie below its floor.
"""

from __future__ import annotations

from typing import NamedTuple

from torch.utils.flop_counter import FlopCounterMode

from multimodel.benchmark.rates import Rates
from multimodel.benchmark.setting import plain
from multimodel.benchmark.timing import Way

ADAM = 7  # float32 numbers moved for a parameter: it, its gradient, two moments read; all but the gradient written
FLOAT32 = 4  # bytes


class Cost(NamedTuple):
    """Operations (a multiplication and an addition are two) and bytes."""

    operations: float
    bytes: float

    def floor(self, rates: Rates) -> float:
        """Seconds."""
        return max(self.operations / rates.matmul, self.bytes / rates.copy)


class Work(NamedTuple):
    """What a forward pass needs: operations, and how many numbers its inputs, outputs and used weights have."""

    operations: float
    inputs: float
    outputs: float
    weights: float
    only_trained: float = 0
    """Operations that a forward pass has only in training."""

    def forward(self, size: int) -> Cost:
        """Everything once, `size` bytes a number."""
        return Cost(self.operations, size * (self.inputs + self.outputs + self.weights))

    def training(self, size: int) -> Cost:
        """Forward and backward.

        The backward pass has two products for each one; it reads inputs, weights and the outputs' gradients and writes
        the gradients of inputs and weights.
        """
        return Cost(
            3 * (self.operations + self.only_trained), size * (3 * self.inputs + 2 * self.outputs + 3 * self.weights)
        )

    def optimised(self, size: int, parameters: int) -> Cost:
        """Training and a step of Adam over all parameters."""
        trained = self.training(size)
        return Cost(trained.operations, trained.bytes + FLOAT32 * ADAM * parameters)


def depthwise_operations(batch: int, length: int, width: int, kernel: int, dilation: int, centre: int) -> int:
    """Taps that read inside the sequence, two operations each."""
    pairs = sum(max(0, length - abs(tap - centre) * dilation) for tap in range(kernel))
    return 2 * batch * width * pairs


def linear_operations(rows: int, width: int, features: int) -> int:
    """A matrix product."""
    return 2 * rows * width * features


def attention_operations(batch: int, pairs: int, width: int) -> int:
    """Scores and weighted sums over `pairs` of positions, all heads together."""
    return 4 * batch * pairs * width


def product_operations(way: Way) -> int:
    """Of the matrix products of what torch computes; it is called on the plain paths, whose operators can be seen."""
    with FlopCounterMode(display=False) as counted:
        plain(way)()
    counts = counted.get_flop_counts()["Global"]
    return sum(count for operator, count in counts.items() if "convolution" not in str(operator))
