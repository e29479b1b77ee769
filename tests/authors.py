"""Tensors that the authors' original code computed (tests/fixtures), and how ours are held against them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "fixtures"


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """One `.npz` file; names are those of fixtures/README.md."""

    arrays: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    @property
    def meta(self) -> dict[str, Any]:
        """Hyper-parameters."""
        return json.loads(str(self.arrays["meta_json"]))

    def sharded(self, prefix: str) -> Tensor:
        """A table that was kept in 16 shards, one after the other."""
        return torch.cat([self[f"{prefix}_{shard}"] for shard in range(16)])


def load(name: str) -> Fixture:
    """The fixture of this file name, without its ending."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return Fixture(arrays={key: np.array(file[key]) for key in file.files})


def agree(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Equal shapes, and no value further away than `tolerance` of their largest."""
    assert ours.shape == theirs.shape
    scale = max(float(theirs.abs().max()), 1e-3)
    torch.testing.assert_close(ours.detach(), theirs, rtol=0, atol=tolerance * scale)
