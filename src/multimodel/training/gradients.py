"""The gradients of a step: of the mean loss over all real targets, and of the balance losses (paper, section 2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from multimodel.batch import Batch
from multimodel.loss import smoothed_cross_entropy
from multimodel.model import Output
from multimodel.training.precision import arithmetic
from multimodel.training.processes import unsynchronised
from multimodel.training.settings import TrainingSettings
from multimodel.training.sharding import whole


def gradients(
    model: nn.Module, batches: Sequence[Batch], settings: TrainingSettings, share: float | None = None
) -> tuple[float, Output]:
    """Add the gradients of these batches together to those in the model; their loss, and the last one's output.

    `share` is what a target symbol weighs: one of all symbols of these batches, unless other processes have more.
    """
    if not model.training:  # to say so anew to every module takes milliseconds
        model.train()
    weight = 1 / sum(batch.symbols for batch in batches) if share is None else share
    total, examples = 0.0, sum(map(len, batches))
    for batch in batches:
        with unsynchronised(model, batch is not batches[-1]):
            with arithmetic(settings.precision, batch.targets.device):
                output: Output = model(batch)
            loss = summed_loss(output.logits, batch, settings.label_smoothing) * weight
            (loss + output.balance.to(loss.dtype) * (len(batch) / examples)).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total, output


def summed_loss(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """The loss of all real targets, added up."""
    losses = smoothed_cross_entropy(logits, batch.targets, smoothing)
    return losses.where(batch.target_mask, 0).sum()


def clip(parameters: Iterable[nn.Parameter], most: float) -> float:
    """Scale gradients down to this global norm, where it is larger; the norm before."""
    found = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = whole(nn.utils.get_total_norm(found))
    if norm > most:
        torch._foreach_mul_(found, most / norm)
    return norm
