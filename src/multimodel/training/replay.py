"""A skipped step once more: the weights, the batches and the random numbers of then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from multimodel.training.blame import Blame, blame, repeated
from multimodel.training.checkpoint import load_config, load_model
from multimodel.training.gradients import clip
from multimodel.training.incidents import Incident, read_step, weights_folder
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
    incident, batches, seed = read_step(run, step, rank)
    place = weights_folder(run, step, rank)
    config = load_config(place, kinds)
    model = load_model(place, config)
    attempt = repeated(model, config.training, seed)
    loss, _ = attempt(batches)
    norm = clip(model.parameters(), float("inf"))
    return Replayed(incident=incident, loss=loss, norm=norm, blame=blame(model, batches, attempt))
