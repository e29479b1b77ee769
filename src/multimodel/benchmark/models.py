"""Models and batches of made-up text, for what is measured without data."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from multimodel.batch import Batch, Net, Route
from multimodel.benchmark.timing import Way
from multimodel.build import MODALITIES, Modalities, build_model
from multimodel.layers.experts import NoisyTopKGate
from multimodel.model import MultiModel
from multimodel.presets import Preset
from multimodel.tasks.mixture import Mixture
from multimodel.training.gradients import clip
from multimodel.training.state import State
from multimodel.training.trainer import Trainer, make_optimiser

ROUTE = Route(bottom="text", top="text", command="to-german")
FIRST_SYMBOL = 2  # after padding and end
LEARNING_RATE = 1e-6  # so that weights hardly move while they are timed

Module = TypeVar("Module", bound=nn.Module)


def with_gates(module: Module) -> Module:
    """Gates drawn at random: at zero, where they start, all positions would choose the same experts."""
    for part in module.modules():
        if isinstance(part, NoisyTopKGate):
            nn.init.normal_(part.gate, std=part.gate.shape[0] ** -0.5)
    return module


def text_model(preset: Preset, modalities: Modalities = MODALITIES) -> MultiModel:
    """The preset's model with a text net only."""
    nets = {"text": Net(kind="text", size=preset.data.vocabulary)}
    return with_gates(build_model(preset.model, nets, [ROUTE.command], modalities))


def text_batch(preset: Preset, examples: int, length: int, device: torch.device) -> Batch:
    """Random symbols, as many in as out, without padding."""
    inputs, targets = torch.randint(FIRST_SYMBOL, preset.data.vocabulary, (2, examples, length), device=device)
    real = torch.ones(examples, length, dtype=torch.bool, device=device)
    return Batch(task="text", route=ROUTE, inputs=inputs, input_mask=real, targets=targets, target_mask=real)


def text_trainer(preset: Preset, device: torch.device) -> Trainer:
    """Trains the preset's text model, as a run would; it has no data of its own."""
    model = text_model(preset).to(device)
    mixture = Mixture(names=("text",), rates=(1.0,), examples=(1,))
    state, optimiser = State(positions={}, averages={}), make_optimiser(model, preset.training)
    return Trainer(model, optimiser, mixture, {}, preset.training, state, device)


def training_steps(trainer: Trainer, batches: list[Batch]) -> Way:
    """A whole step on each of these batches: forward, backward, clipping, Adam."""

    def steps() -> None:
        for batch in batches:
            trainer.accumulate([batch])
            clip(trainer.parameters, trainer.settings.clip)
            trainer.descend(LEARNING_RATE)

    return steps
