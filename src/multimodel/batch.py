"""What tasks hand to the model: the one type where data and network meet (paper, section 2).

Task code builds a `Batch`; model code reads it. Neither imports the other, so nothing in the network can ask which
task it runs: it sees raw data, the names of two modality nets and a command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

TENSORS = ("inputs", "input_mask", "targets", "target_mask")


@dataclass(frozen=True, kw_only=True)
class Net:
    """What a modality net must know about its data before it can be built.

    `kind` names the class (`text`, `image`, `spectrogram`, `waveform`, `category`, `category-input`); `size` is the
    number of symbols, colour channels, frequency bins, samples per step (always 1) or classes.
    """

    kind: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Route:
    """Which modality net reads the input, which writes the output, and the command that says what to produce."""

    bottom: str
    top: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Examples of one task, padded to one size.

    `inputs`: symbols (b, s), pixels in 0…1 (b, h, w, c), log-mel energies ≥ 0 (b, t, f) or samples in −1…1 (b, t).
    `input_mask`: True where the input is real, (b, s), (b, h, w) or (b, t).
    `targets`: symbols (b, t), 0 where `target_mask` is False; a class is a sequence of one symbol, (b, 1).
    """

    task: str
    route: Route
    inputs: Float[Tensor, "b ..."] | Int[Tensor, "b ..."]
    input_mask: Bool[Tensor, "b ..."]
    targets: Int[Tensor, "b t"]
    target_mask: Bool[Tensor, "b t"]

    def __len__(self) -> int:
        return self.targets.shape[0]

    @property
    def symbols(self) -> int:
        """Real target symbols, the unit in which losses and speeds are counted."""
        return int(self.target_mask.sum())

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch, each of its tensors changed so."""
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in TENSORS}
        return replace(self, **changed)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return self.each(lambda tensor: tensor.to(device))
