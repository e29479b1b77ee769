"""Adam's moments by the names of their parameters, which those have that have taken a step."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from multimodel.training.tensors import Header, check_headers, header, headers, read_tensors

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def moment_tensors(model: nn.Module, optimiser: Optimizer) -> dict[str, Tensor]:
    """The moments of every parameter that has taken a step, by name."""
    return {
        f"{key}:{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def load_moments(path: Path, model: nn.Module, optimiser: Optimizer) -> None:
    """Give an optimiser the moments in a file, and no others."""
    moved = check_moments(path, model)
    tensors = read_tensors(path)
    optimiser.state.clear()
    for name, parameter in moved.items():
        # the step too: the fused optimiser wants it beside the parameter
        optimiser.state[parameter] = {key: tensors[f"{key}:{name}"].to(parameter.device) for key in MOMENTS}


def empty_moments(path: Path, model: nn.Module, optimiser: Optimizer) -> None:
    """Give an optimiser room for the moments in a file, cut among processes as their parameters are."""
    optimiser.state.clear()
    for parameter in check_moments(path, model).values():
        moments = {key: torch.zeros_like(parameter, requires_grad=False) for key in MOMENTS[1:]}
        optimiser.state[parameter] = {MOMENTS[0]: torch.zeros((), device=parameter.device), **moments}


def check_moments(path: Path, model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that have moments in a file; raises `InputError` where these are not of their shapes."""
    held = headers(path)
    moved = {name: value for name, value in model.named_parameters() if f"step:{name}" in held}
    step = Header((), "F32")
    wanted = {f"{key}:{name}": step if key == "step" else header(moved[name]) for name in moved for key in MOMENTS}
    check_headers(path, wanted)
    return moved
