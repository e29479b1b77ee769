"""What a machine can do at best: the rates of a large matrix product and of a large copy."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch

from multimodel.benchmark.results import Case, Part, Row
from multimodel.benchmark.setting import PRECISIONS, Setting
from multimodel.benchmark.timing import in_turn

ROUNDS = 3


class Rates(NamedTuple):
    """Operations per second of a matrix product, and bytes read and written per second of a copy."""

    matmul: float
    copy: float


def measure_rates(setting: Setting, dtype: torch.dtype) -> Rates:
    """The best of a few rounds, as a floor is what cannot be beaten."""
    device = setting.device
    side = setting.scale.matrix * (4 if device.type == "cuda" else 1)  # it takes larger matrices to keep a GPU busy
    left, right = torch.randn(2, side, side, device=device).to(dtype)
    source = torch.randn(setting.scale.copied, device=device)
    target = torch.empty_like(source)
    ways = {"matmul": lambda: left @ right, "copy": lambda: target.copy_(source)}
    best = {name: min(seconds) for name, seconds in in_turn(ways, ROUNDS, device).seconds.items()}
    return Rates(2 * side**3 / best["matmul"], 2 * source.nbytes / best["copy"])


def cases(setting: Setting) -> list[Case]:
    """One for each type of number."""

    def measure(name: str, dtype: torch.dtype) -> list[Row]:
        rates = measure_rates(setting, dtype)
        return [Row(name, {"matmul, GFLOP/s": rates.matmul / 1e9, "copy, GB/s": rates.copy / 1e9})]

    return [Case(name, partial(measure, name, PRECISIONS[name])) for name in ("float32", "bfloat16")]


PART = Part(
    title="What the machine can do",
    about="Best of a few rounds: the product of two large square matrices, and a copy of float32 too large for a "
    "cache, read and written bytes counted. Each block is held against rates measured right before it.",
    drawn="",
    cases=cases,
)
