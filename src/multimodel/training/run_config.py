"""What a run is: its tasks, its sizes and its settings, as values and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from torch import nn

from multimodel.batch import Net
from multimodel.build import Sizes, build_model
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.presets import Preset
from multimodel.sources.rows import nearest
from multimodel.tasks import mini8
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Task, nets
from multimodel.tasks.vocabulary import Vocabulary
from multimodel.training.kinds import KINDS, Kinds
from multimodel.training.settings import TrainingSettings

FORMAT = 3


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

    @property
    def largest_matrices(self) -> list[int]:
        """Numbers in the largest parameters that each size leads to, at least."""
        sizes = self.model
        channels = [*pairwise(sizes.image_channels), *pairwise(sizes.audio_channels)]
        return [
            sizes.width * sizes.width,
            sizes.width * sizes.expert_width * (sizes.experts if sizes.mixture == "experts" else sizes.experts_used),
            *(net.size * sizes.width for net in self.nets.values()),
            *(before * after for before, after in channels),
        ]

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


def run_config(
    preset: Preset, name: str, vocabulary: Vocabulary, tasks: Sequence[Task], kinds: Kinds = KINDS
) -> RunConfig:
    """The configuration of a run on any tasks; the preset's rates are given to them."""
    config = RunConfig(
        preset=name,
        model=preset.model,
        data=preset.data,
        training=preset.training,
        tasks=rated(tasks, preset.training),
        vocabulary=vocabulary,
        kinds=kinds,
    )
    check_parts(config)
    return config


def check_parts(config: RunConfig) -> None:
    """Raise `InputError` where nets do not go together, or a net or command is named like a method of torch's."""
    for kind, names, taken in (("net", config.nets, nn.ModuleDict()), ("command", config.commands, nn.ParameterDict())):
        for name in names:
            if hasattr(taken, name):
                raise InputError(f"A {kind} cannot be named {name!r}, as torch has a use for that word: give another.")


def rated(tasks: Sequence[Task], settings: TrainingSettings) -> tuple[Task, ...]:
    """The tasks with the rates that the settings have for some of them."""
    unknown = set(settings.rates) - {task.name for task in tasks} - set(mini8.NAMES)
    if unknown:
        raise InputError(f"There is a rate for {', '.join(sorted(unknown))}, which is no task of this run.")
    return tuple(replace(task, rate=settings.rates.get(task.name, task.rate)) for task in tasks)


def gone_on(config: RunConfig, tasks: Sequence[Task], settings: TrainingSettings) -> RunConfig:
    """The same run with these settings, and with these tasks in the place of those without examples."""
    found = {task.name: task for task in tasks}
    again = [found.get(task.name, task) for task in config.tasks]
    return replace(config, training=settings, tasks=rated(again, settings))
