"""Which layer, which examples: a step that went wrong, taken apart."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multimodel.batch import Batch
from multimodel.layers.experts import ExpertUse, effective_experts
from multimodel.layers.paths import plain_paths
from multimodel.model import MultiModel, Output
from multimodel.training.gradients import gradients
from multimodel.training.pieces import part
from multimodel.training.settings import TrainingSettings

Attempt = Callable[[Sequence[Batch]], tuple[float, Output]]
"""Leaves the gradients of the mean loss of some batches in the model; the loss, and the last batch's output."""


@dataclass(frozen=True, kw_only=True)
class Blame:
    """`layer` is the first one whose output is not finite, or else the parameter with the largest gradient.

    `losses` and `norms` are of each example alone, without the noise of its batch; `gates` the share of the experts
    that each mixture has in use.
    """

    layer: str
    losses: tuple[float, ...]
    norms: tuple[float, ...]
    gates: tuple[float, ...]

    @property
    def worst(self) -> list[int]:
        """The examples' places, the largest gradient first; one that is no number is larger than all."""
        return sorted(range(len(self.norms)), key=lambda place: -_finite_or_inf(self.norms[place]))


def twin(model: MultiModel) -> MultiModel:
    """The same model with gradients of its own; it takes no memory, and DDP does not hear of its backward passes."""
    shared = {id(value): nn.Parameter(value.detach(), value.requires_grad) for value in model.parameters()}
    return copy.deepcopy(model, {**shared, **{id(value): value for value in model.buffers()}})


def repeated(model: MultiModel, settings: TrainingSettings, seed: int) -> Attempt:
    """The way of a step to its gradients, with its random numbers."""

    def attempt(batches: Sequence[Batch]) -> tuple[float, Output]:
        torch.manual_seed(seed)
        model.zero_grad(set_to_none=True)
        return gradients(model, batches, settings)

    return attempt


def blame(model: MultiModel, batches: Sequence[Batch], attempt: Attempt) -> Blame:
    """Repeat the step under observation; gradients are left behind."""
    found: list[str] = [f"weights of {name}" for name, value in model.named_parameters() if not finite(value)]
    found += [f"inputs of the batch {place}" for place, batch in enumerate(batches) if not finite(batch.inputs)]
    with watched(model, found), plain_paths():  # in which every layer is called
        _, output = attempt(batches)
    layer = found[0] if found else f"gradient of {steepest(model)}"
    alone = [alone_of(model, one, attempt) for batch in batches for one in examples(batch)]
    return Blame(
        layer=layer,
        losses=tuple(loss for loss, _ in alone),
        norms=tuple(norm for _, norm in alone),
        gates=tuple(in_use(use) for use in output.use),
    )


def in_use(use: ExpertUse) -> float:
    """The share of the experts that the gates have in use: 1 where all get as much, 1/experts where one gets all.

    NaN where the gates are no numbers.
    """
    gates = use.importance.detach().double().cpu().numpy()
    return effective_experts(gates / gates.sum()) / len(gates) if np.isfinite(gates).all() else math.nan


@contextmanager
def watched(model: nn.Module, found: list[str]) -> Iterator[None]:
    """Note every layer whose output is not finite, in the order in which they finish."""

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, given: Any, output: Any) -> None:
            if not finite(output):
                found.append(name or "the model")

        return note

    hooks = [module.register_forward_hook(watch(name)) for name, module in model.named_modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def finite(value: Any) -> bool:
    """Whether all numbers in nested tuples of tensors are finite."""
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(value.isfinite().all())
    return not isinstance(value, tuple) or all(map(finite, value))


def steepest(model: nn.Module) -> str:
    """The parameter of the largest gradient; one that is not finite is larger than all."""
    norms = {name: float(value.grad.norm()) for name, value in model.named_parameters() if value.grad is not None}
    return max(norms, key=lambda name: _finite_or_inf(norms[name]))


def _finite_or_inf(norm: float) -> float:
    return norm if math.isfinite(norm) else math.inf


def examples(batch: Batch) -> list[Batch]:
    """Each example as a batch."""
    return [part(batch, slice(place, place + 1)) for place in range(len(batch))]


def alone_of(model: nn.Module, example: Batch, attempt: Attempt) -> tuple[float, float]:
    """Loss of one example, and the norm of its gradient."""
    loss, _ = attempt([example])
    found = [value.grad for value in model.parameters() if value.grad is not None]
    return loss, float(nn.utils.get_total_norm(found))
