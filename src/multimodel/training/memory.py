"""Bytes on each of n devices and between them, by calculation, for three ways to divide a model among the devices.

All of it is arithmetic on the shapes of parameters, so a model on torch's device `meta` will do, which takes no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from multimodel.batch import Route
from multimodel.layers.experts import MixtureOfExperts
from multimodel.model import MultiModel
from multimodel.training.settings import Precision
from multimodel.training.sharding import units

FLOAT, HALF = 4, 2  # bytes of a float32 and of a bfloat16
EXCHANGES = 4  # to the expert and back, forwards and backwards


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one device that the batch has no part in.

    `copies` are what autocast keeps of the weights in bfloat16 until the backward pass, `working` what the way itself
    needs in between: the buckets of DDP, or the largest unit of FSDP2 while it is whole.
    """

    weights: int
    gradients: int
    moments: int
    copies: int
    working: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.moments + self.copies + self.working


def count(parameters: Iterable[nn.Parameter]) -> int:
    """Numbers in these parameters."""
    return sum(parameter.numel() for parameter in parameters)


def moment_bytes(parameters: Sequence[nn.Parameter], numbers: int) -> int:
    """Adam's two moments of so many numbers, and the step that it counts for each parameter."""
    return FLOAT * (2 * numbers + len(parameters))


def checkpoint_bytes(model: nn.Module) -> int:
    """Tensors of a checkpoint: weights and moments."""
    parameters = list(model.parameters())
    return FLOAT * count(parameters) + moment_bytes(parameters, count(parameters))


def shard_size(parameters: Iterable[nn.Parameter], devices: int) -> int:
    """Numbers in a device's part, as FSDP2 cuts: rows of the first axis, as many on each device, padded at the end.

    So 240 experts are on at most 240 devices.
    """
    return sum(-(-value.shape[0] // devices) * (value.numel() // value.shape[0]) for value in parameters)


def unit_parameters(model: MultiModel) -> list[list[nn.Parameter]]:
    """What FSDP2 makes whole at one time: each block of the body, each modality net; the last is all that is left."""
    found = [list(module.parameters()) for module in units(model)]
    inside = {id(parameter) for unit in found for parameter in unit}
    return [*found, [parameter for parameter in model.parameters() if id(parameter) not in inside]]


def expert_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The matrices of all experts; gates and norms are not among them."""
    mixtures = [part for part in model.modules() if isinstance(part, MixtureOfExperts)]
    return [matrices for mixture in mixtures for matrices in (mixture.hidden, mixture.output)]


def other_parameters(model: nn.Module) -> list[nn.Parameter]:
    """All but the matrices of experts."""
    experts = {id(parameter) for parameter in expert_parameters(model)}
    return [parameter for parameter in model.parameters() if id(parameter) not in experts]


def held(parameters: Sequence[nn.Parameter], numbers: int, *, copied: int, working: int) -> Memory:
    """What a device holds that has so many of the parameters' numbers, `copied` of them in bfloat16 as well."""
    own = FLOAT * numbers
    moments = moment_bytes(parameters, numbers)
    return Memory(weights=own, gradients=own, moments=moments, copies=HALF * copied, working=working)


def replicated(model: MultiModel, devices: int, precision: Precision) -> Memory:
    """DDP: everything whole on every device, and each gradient a second time in a bucket."""
    parameters = list(model.parameters())
    numbers = count(parameters)
    buckets = FLOAT * numbers if devices > 1 else 0
    return held(parameters, numbers, copied=numbers if precision == "bfloat16" else 0, working=buckets)


def sharded(model: MultiModel, devices: int, precision: Precision) -> Memory:
    """FSDP2: everything cut; a unit in use is whole, its weights and its gradients. Autocast's copies stay whole."""
    parameters = list(model.parameters())
    largest = max(count(unit) for unit in unit_parameters(model))
    return held(
        parameters,
        shard_size(parameters, devices),
        copied=count(parameters) if precision == "bfloat16" else 0,
        working=2 * FLOAT * largest if devices > 1 else 0,
    )


def by_expert(model: MultiModel, devices: int, precision: Precision) -> Memory:
    """Expert parallelism: each device has some experts for itself, and all the rest as in DDP."""
    numbers = shard_size(expert_parameters(model), devices) + count(other_parameters(model))
    buckets = FLOAT * count(other_parameters(model)) if devices > 1 else 0
    copied = numbers if precision == "bfloat16" else 0
    return held(list(model.parameters()), numbers, copied=copied, working=buckets)


WAYS: Mapping[str, Callable[[MultiModel, int, Precision], Memory]] = {
    "DDP": replicated,
    "FSDP2": sharded,
    "experts": by_expert,
}


def used(model: MultiModel, route: Route) -> set[int]:
    """The `id` of every parameter that a step of such a task may give a gradient."""
    parts: list[nn.Module] = [model.encoder, model.nets[route.bottom], model.nets[route.top]]
    written = model.top(route).autoregressive
    if written:
        parts += [model.mixer, model.decoder]
    command = {id(model.commands[route.command])} if written else set()
    return {id(parameter) for part in parts for parameter in part.parameters()} | command


def all_reduced(numbers: int, devices: int) -> int:
    """Bytes that a device sends for the sum of float32 numbers over all devices: a ring reduces, then gathers."""
    return round(2 * (devices - 1) / devices * FLOAT * numbers)


def moved_replicated(model: MultiModel, devices: int) -> int:
    """DDP: bytes that a device sends in a step. All gradients, since unused ones fill their places in buckets."""
    return all_reduced(count(model.parameters()), devices)


def moved_sharded(model: MultiModel, route: Route, devices: int) -> int:
    """FSDP2: units that the task uses are gathered forwards and backwards, and their gradients scattered.

    The text net is called up to three times and gathered as often; that is left out, a hundredth in `paper`.
    """
    needed = used(model, route)
    parts = sum(
        shard_size(unit, devices)
        for unit in unit_parameters(model)
        if any(id(parameter) in needed for parameter in unit)
    )
    return 3 * (devices - 1) * FLOAT * parts


def moved_by_expert(model: MultiModel, rows: int, devices: int) -> int:
    """Expert parallelism: all-reduce of what is no expert, and the device's own rows to their experts and back.

    A row is one position for one of its k experts, of the body's width, in float32.
    """
    exchanged = EXCHANGES * FLOAT * rows * model.width * (devices - 1) / devices
    return all_reduced(count(other_parameters(model)), devices) + round(exchanged)
