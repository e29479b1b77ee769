"""Sizes of the data as the model sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from multimodel.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Symbols, pixels and seconds of all tasks that do not say otherwise."""

    vocabulary: int = 4096
    """Symbols that all text of all tasks is written in."""
    max_symbols: int = 128
    """Longest text."""
    max_tree_symbols: int = 256
    """Longest tree."""
    class_side: int = 28
    """Pixels on each side of mini8's pictures of clothes."""
    caption_side: int = 64
    """Pixels on each side of other pictures."""
    sample_rate: int = 8000
    """Samples of sound a second."""
    frequency_bins: int = 16
    """Mel bands of a spectrogram."""
    max_seconds: float = 10.0
    """Longest recording."""
    most_bad: float = 0.01
    """Share of a task's examples that may be damaged: these are skipped and named; more of them stop the run."""

    def __post_init__(self) -> None:
        if not 0 <= self.most_bad <= 1:
            raise InputError(f"The share most_bad is {self.most_bad} and must be from 0 to 1.")
        if not 0 < self.max_seconds < math.inf:
            raise InputError(f"The longest recording has {self.max_seconds} seconds and must have a number above 0.")
