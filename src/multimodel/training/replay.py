"""A skipped step once more: the weights, the batches and the random numbers of then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from multimodel.batch import Batch
from multimodel.model import Output
from multimodel.training.blame import Blame, blame
from multimodel.training.checkpoint import load_config, load_model
from multimodel.training.gradients import clip, gradients
from multimodel.training.incidents import Incident, kept, place_of
from multimodel.training.kinds import KINDS, Kinds


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What was noted at the time, and what is found now: the step's loss and gradient norm, and what is to blame."""

    incident: Incident
    loss: float
    norm: float
    blame: Blame


def replay(run: Path, step: int, rank: int = 0, kinds: Kinds = KINDS) -> Replayed:
    """Repeat the share that one process had of a skipped step; raises `InputError` for one that is not kept."""
    incident, batches, seed = kept(run, step, rank)
    place = place_of(run, step, rank)
    config = load_config(place, kinds)
    model = load_model(place, config)

    def attempt(some: Sequence[Batch]) -> tuple[float, Output]:
        torch.manual_seed(seed)
        model.zero_grad(set_to_none=True)
        return gradients(model, some, config.training)

    loss, _ = attempt(batches)
    norm = clip(model.parameters(), float("inf"))
    return Replayed(incident=incident, loss=loss, norm=norm, blame=blame(model, batches, attempt))
