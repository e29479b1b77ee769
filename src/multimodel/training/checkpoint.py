"""Checkpoints: folders of safetensors and JSON, written whole or not at all; nothing is ever unpickled."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from multimodel.batch import Net
from multimodel.build import Sizes, build_model
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.sources.rows import nearest
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Task, nets, task_from_json
from multimodel.tasks.vocabulary import Vocabulary
from multimodel.training.kinds import KINDS, Kinds
from multimodel.training.settings import TrainingSettings

FORMAT = 2
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
MODEL, OPTIMISER, CONFIG, STATE, TOKENIZER = (
    "model.safetensors",
    "optimiser.safetensors",
    "config.json",
    "state.json",
    "tokenizer.json",
)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run is: enough to build its model and features anew without its data.

    The model knows the tasks that are `resting`, too, but is not trained on them; `frozen` are the names, or beginnings
    of names, of parameters that keep their weights.
    """

    preset: str
    model: Sizes
    data: DataSettings
    training: TrainingSettings
    tasks: tuple[Task, ...]
    vocabulary: Vocabulary
    resting: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    kinds: Kinds = KINDS

    @property
    def trained(self) -> tuple[Task, ...]:
        """The tasks that are trained on."""
        return tuple(task for task in self.tasks if task.name not in self.resting)

    def named(self, names: Sequence[str]) -> list[Task]:
        """The tasks of these names, in this order; raises `InputError` for one that the run lacks."""
        known = {task.name: task for task in self.tasks}
        for name in names:
            if name not in known:
                raise InputError(f"This run has no task {name!r}: {nearest(name, tuple(known))}")
        return [known[name] for name in names]

    @property
    def nets(self) -> dict[str, Net]:
        """The modality nets of all tasks."""
        return nets(self.tasks)

    @property
    def commands(self) -> list[str]:
        """The commands of all tasks, each once."""
        return list(dict.fromkeys(task.command for task in self.tasks))

    def build(self) -> MultiModel:
        """A model of this run, with initial weights."""
        return build_model(self.model, self.nets, self.commands, self.kinds.nets)

    def to_json(self) -> dict[str, Any]:
        """Everything but the vocabulary, which is a file of its own."""
        return {
            "format": FORMAT,
            "preset": self.preset,
            "model": asdict(self.model),
            "data": asdict(self.data),
            "training": asdict(self.training),
            "tasks": [task.to_json() for task in self.tasks],
            "resting": list(self.resting),
            "frozen": list(self.frozen),
        }


@dataclass(kw_only=True)
class State:
    """Where training stands: all that the next step depends on besides weights and optimiser."""

    step: int = 0
    seconds: float = 0.0
    positions: dict[str, int]
    averages: dict[str, float]


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(path for path in (run / "checkpoints").glob("[0-9]*") if path.name.isdigit() and path.is_dir())


def latest(run: Path) -> Path:
    """The newest checkpoint; raises `InputError` if the folder holds none."""
    found = checkpoints(run)
    if not found:
        raise InputError(f"{run} holds no checkpoint: give the folder that `multimodel train … --out` wrote.")
    return found[-1]


def place_of(run: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return run / "checkpoints" / f"{step:08d}"


def save(run: Path, config: RunConfig, model: nn.Module, optimiser: torch.optim.Optimizer, state: State) -> Path:
    """Write a checkpoint beside its final place and rename it, then drop the oldest beyond `keep`."""
    place = place_of(run, state.step)
    for unfinished in place.parent.glob(".*.part"):
        shutil.rmtree(unfinished)
    part, former = (place.with_name(f".{place.name}.{name}.part") for name in ("next", "former"))
    part.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, part / MODEL)
    save_file(optimiser_tensors(model, optimiser), part / OPTIMISER)
    config.vocabulary.save(part / TOKENIZER)
    (part / CONFIG).write_text(json.dumps(config.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    (part / STATE).write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    for file in part.iterdir():
        _flush(file)
    if place.exists():
        os.replace(place, former)
    os.replace(part, place)
    shutil.rmtree(former, ignore_errors=True)
    for old in checkpoints(run)[: -config.training.keep]:
        shutil.rmtree(old)
    return place


def load_config(checkpoint: Path, kinds: Kinds = KINDS) -> RunConfig:
    """The run that a checkpoint belongs to; raises `InputError` naming the file that is missing or damaged."""
    values = _read_json(checkpoint / CONFIG)
    if values.get("format") != FORMAT:
        raise InputError(f"{checkpoint / CONFIG} has format {values.get('format')}; this version reads {FORMAT}.")
    vocabulary = Vocabulary.load(checkpoint / TOKENIZER)
    try:
        return RunConfig(
            preset=values["preset"],
            model=Sizes(**_tuples(values["model"])),
            data=DataSettings(**values["data"]),
            training=TrainingSettings(**values["training"]),
            tasks=tuple(task_from_json(task, vocabulary, kinds.features, kinds.columns) for task in values["tasks"]),
            vocabulary=vocabulary,
            resting=tuple(values["resting"]),
            frozen=tuple(values["frozen"]),
            kinds=kinds,
        )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InputError(f"{checkpoint / CONFIG} is damaged ({error}).") from error


def load_state(checkpoint: Path) -> State:
    """Where training stood."""
    try:
        return State(**_read_json(checkpoint / STATE))
    except TypeError as error:
        raise InputError(f"{checkpoint / STATE} is damaged ({error}).") from error


def read_weights(checkpoint: Path) -> dict[str, Tensor]:
    """A checkpoint's weights by name."""
    return _read_tensors(checkpoint / MODEL)


def load_weights(checkpoint: Path, model: nn.Module) -> None:
    """Fill a model with a checkpoint's weights; names and shapes must agree."""
    tensors = read_weights(checkpoint)
    _check_shapes(checkpoint / MODEL, tensors, model.state_dict())
    model.load_state_dict(tensors)


def load_optimiser(checkpoint: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Give the optimiser back its moments, which those parameters have that have taken a step."""
    tensors = _read_tensors(checkpoint / OPTIMISER)
    moved = {name: value for name, value in model.named_parameters() if f"step:{name}" in tensors}
    step = torch.zeros(())
    shapes = {f"{key}:{name}": step if key == "step" else moved[name] for name in moved for key in MOMENTS}
    _check_shapes(checkpoint / OPTIMISER, tensors, shapes)
    for name, parameter in moved.items():
        # the step too: the fused optimiser wants it beside the parameter
        optimiser.state[parameter] = {key: tensors[f"{key}:{name}"].to(parameter.device) for key in MOMENTS}


def optimiser_tensors(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of every parameter that has taken a step, by name."""
    return {
        f"{key}:{name}": value.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def _check_shapes(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Names and shapes must agree."""
    for name in sorted(found.keys() | wanted.keys()):
        shape, expected = (tuple(tensors[name].shape) if name in tensors else "missing" for tensors in (found, wanted))
        if shape != expected:
            raise InputError(f"{path} does not fit the model of its config: {name} is {shape}, not {expected}.")


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where sizes are tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): the checkpoint is incomplete.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} is not a checkpoint's file: it holds no JSON object.")
    return values


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}): the checkpoint is incomplete.") from error


def _flush(file: Path) -> None:
    """Make sure that the bytes are on disk before the rename is."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
