"""A part of a trained model as a run of its own: the nets of some tasks, and the experts that they use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from multimodel.errors import InputError
from multimodel.tasks.mixture import FIRST_AVERAGE
from multimodel.training import checkpoint
from multimodel.training.run_config import RunConfig
from multimodel.training.state import State
from multimodel.training.trainer import make_optimiser

LAYERS = ("encoder.experts", "decoder.experts")


def part_of(config: RunConfig, names: Sequence[str]) -> RunConfig:
    """The configuration with these tasks only; raises `InputError` for one that the run lacks."""
    tasks = tuple(config.named(names))
    rates = {name: rate for name, rate in config.training.rates.items() if name in names}
    training = dataclasses.replace(config.training, rates=rates)
    return dataclasses.replace(config, training=training, tasks=tasks, resting=(), frozen=())


def fired(importance: Sequence[np.ndarray], least: int) -> list[np.ndarray]:
    """Per mixture layer the experts to keep, in order: all that any position used, and as many in each layer."""
    most = max(least, *(int((layer > 0).sum()) for layer in importance))
    return [np.sort(np.argsort(-layer, kind="stable")[:most]) for layer in importance]


def kept_weights(
    weights: Mapping[str, Tensor], model: nn.Module, experts: Mapping[str, np.ndarray]
) -> dict[str, Tensor]:
    """The weights that a smaller model has; of the mixtures named in `experts` only those experts."""
    found = {}
    for name in model.state_dict():
        value = weights[name]
        layer = next((layer for layer in experts if name.startswith(f"{layer}.")), None)
        if layer is not None:
            keep = torch.from_numpy(experts[layer])
            if name.endswith(("gate.gate", "gate.noise")):
                value = value[:, keep]
            elif name.endswith((".hidden", ".output")):
                value = value[keep]
        found[name] = value
    return found


def write_part(
    newest: Path, config: RunConfig, names: Sequence[str], out: Path, importance: Sequence[np.ndarray] = ()
) -> Path:
    """Write the part of a checkpoint that these tasks use as a run in `out`; the path of its checkpoint.

    With the `importance` of each mixture's experts, those at 0 are left out. Raises `InputError` if `out` holds a run.
    """
    if checkpoint.checkpoints(out):
        raise InputError(f"{out} already holds a run: give another --out.")
    part = part_of(config, names)
    keep: dict[str, np.ndarray] = {}
    if importance:  # a class is read from the encoder, so that the decoder's layer may have been used by nobody
        importance = [*importance, *[np.zeros_like(importance[0])] * (len(LAYERS) - len(importance))]
        keep = dict(zip(LAYERS, fired(importance, part.model.experts_used), strict=True))
        part = dataclasses.replace(part, model=dataclasses.replace(part.model, experts=len(keep[LAYERS[0]])))
    model = part.build()
    model.load_state_dict(kept_weights(checkpoint.read_weights(newest), model, keep))
    known = checkpoint.load_state(newest)
    state = State(
        step=known.step,
        seconds=known.seconds,
        slowing=known.slowing,
        positions={name: known.positions.get(name, 0) for name in names},
        averages={name: known.averages.get(name, FIRST_AVERAGE) for name in names},
    )
    return checkpoint.save(out, part, model, make_optimiser(model, part.training), state)
