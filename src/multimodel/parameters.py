"""Parameter counts: all of a module, and those that take part in writing one symbol."""

from __future__ import annotations

from torch import nn

from multimodel.layers.experts import MixtureOfExperts
from multimodel.model import MultiModel


def parameters(module: nn.Module) -> int:
    """All parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def active_parameters(model: MultiModel, used: int) -> int:
    """Parameters that take part in writing one symbol from text: the text net, the body, k experts of each mixture.

    Of the embedding it counts one row, of the output layer all.
    """
    body = parameters(model.encoder) + parameters(model.mixer) + parameters(model.decoder)
    idle = sum(
        (module.hidden.numel() + module.output.numel()) * (1 - used / module.hidden.shape[0])
        for module in model.modules()
        if isinstance(module, MixtureOfExperts)
    )
    table = parameters(model.nets["text"]) // 2
    return round(body - idle) + table + model.width
