"""Depthwise convolutions of a sequence, three ways: rows (ours), grouped conv1d, channels-last conv2d.

    python benchmarks/depthwise.py

One CPU thread, float32, (45, 32, 128), forward and backward; each round times all ways in turn. Prints the median
milliseconds and, as the time of one round drifts with the machine, the median of each round's ratio to ours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from multimodel.layers.depthwise import depthwise

BATCH, LENGTH, WIDTH = 45, 32, 128
ROUNDS, WARM_UP = 15, 3
CASES = [(3, 1, True), (15, 1, True), (15, 8, True), (15, 8, False)]

Way = Callable[[Tensor, Tensor], Tensor]


def padded(x: Tensor, kernel: int, dilation: int, causal: bool) -> Tensor:
    """Zeros around the sequence, channels second."""
    span = (kernel - 1) * dilation
    before = span if causal else span // 2
    return F.pad(x, (0, 0, before, span - before)).transpose(1, 2)


def ways(kernel: int, dilation: int, causal: bool) -> dict[str, Way]:
    """The three implementations of one convolution."""
    return {
        "rows": lambda x, w: depthwise(x, w, dilation, causal),
        "conv1d": lambda x, w: F.conv1d(
            padded(x, kernel, dilation, causal), w[:, None], dilation=dilation, groups=WIDTH
        ).transpose(1, 2),
        "conv2d": lambda x, w: (
            F.conv2d(
                padded(x, kernel, dilation, causal).unsqueeze(3),
                w[:, None, :, None],
                dilation=(dilation, 1),
                groups=WIDTH,
            )
            .squeeze(3)
            .transpose(1, 2)
        ),
    }


def seconds(way: Way, x: Tensor, weight: Tensor, cotangent: Tensor) -> float:
    """One forward and backward."""
    x.grad = weight.grad = None
    started = time.perf_counter()
    way(x, weight).backward(cotangent)
    return time.perf_counter() - started


def main() -> None:
    """Time all cases and print a table."""
    torch.set_num_threads(1)
    print("| taps, dilation | rows | grouped `conv1d` | channels-last `conv2d` |\n| --- | ---: | ---: | ---: |")
    for kernel, dilation, causal in CASES:
        x = torch.randn(BATCH, LENGTH, WIDTH, requires_grad=True)
        weight = torch.randn(WIDTH, kernel, requires_grad=True)
        cotangent = torch.randn(BATCH, LENGTH, WIDTH)
        named = ways(kernel, dilation, causal)
        rounds = [{name: seconds(way, x, weight, cotangent) for name, way in named.items()} for _ in range(ROUNDS)]
        cells = []
        for name in named:
            middle = statistics.median(round_[name] for round_ in rounds[WARM_UP:])
            ratio = statistics.median(round_[name] / round_["rows"] for round_ in rounds[WARM_UP:])
            cells.append(f"{middle * 1e3:.1f} ms (×{ratio:.1f})")
        print(f"| {kernel}, {dilation} {'causal' if causal else 'centred'} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
