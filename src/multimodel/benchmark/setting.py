"""What a benchmark is run with: the machine's side of it, and how much is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from multimodel.benchmark.timing import Way
from multimodel.layers.paths import plain_paths
from multimodel.presets import PRESETS, Preset
from multimodel.training.precision import has_bfloat16

SEED = 0
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is measured; lengths are in symbols, batches in examples."""

    block_presets: tuple[str, ...] = ("quickstart", "base")
    experts: tuple[int, ...] = (16, 60, 240)
    positions: tuple[int, ...] = (1024, 4096)
    steps: int = 16  # of the mixture in one round; a task by itself takes a quarter of that
    batches: tuple[int, ...] = (1, 16, 64)
    lengths: tuple[int, ...] = (32, 128, 512)
    text: tuple[int, int] = (16, 32)  # examples and symbols of a batch of made-up text
    memory: tuple[str, ...] = ("ours", "plain", "Transformer")  # whose, each in a process of its own
    matrix: int = 2048  # side of the matrices whose product gives the matmul rate
    copied: int = 1 << 26  # elements whose copy gives the copy rate, more than a cache holds


FULL = Scale()
QUICK = Scale(
    block_presets=("tiny",),
    experts=(4,),
    positions=(64,),
    steps=4,
    batches=(1, 2),
    lengths=(4, 8),
    text=(2, 8),
    memory=("ours",),
    matrix=64,
    copied=1 << 16,
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where and how often to measure, and the preset of the parts that run whole models."""

    device: torch.device
    preset: str
    rounds: int
    data_folder: Path
    scale: Scale = field(default=FULL)

    @property
    def whole(self) -> Preset:
        """The preset of whole models."""
        return PRESETS[self.preset]


def precision(preset: Preset, device: torch.device) -> torch.dtype:
    """The type in which a preset multiplies matrices on this device."""
    return PRECISIONS[preset.training.precision] if has_bfloat16(device) else torch.float32


def plain(way: Way) -> Way:
    """The same, every layer on its plain path."""

    def inside() -> object:
        with plain_paths():
            return way()

    return inside
