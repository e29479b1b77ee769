"""A trained model learns further tasks: it grows by what they need, and the rest starts from its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from multimodel.errors import InputError
from multimodel.sources.rows import nearest
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.declared import declared_tasks
from multimodel.tasks.mini8 import found_again
from multimodel.tasks.task import Task
from multimodel.training import checkpoint
from multimodel.training.run_config import RunConfig, check_parts, rated
from multimodel.training.settings import TrainingSettings

BODY = ("encoder", "mixer", "decoder")
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Adding:
    """How further tasks are learned."""

    freeze: Literal["nothing", "body", "old"] = "nothing"
    """What keeps its weights: nothing, the body that all tasks share, or all that there was (old)."""
    rehearse: tuple[str, ...] = (ALL,)
    """Old tasks that are trained on as well, in half of the steps: all, none, or their names; if all is frozen none."""
    new_experts: int = 0
    """Experts added to each mixture of experts."""

    def __post_init__(self) -> None:
        if self.new_experts < 0:
            raise InputError(f"The number of new experts is {self.new_experts} and must be 0 or more.")
        if self.new_experts and self.freeze != "nothing":
            raise InputError(
                "New experts answer for old tasks, too, which then change: add them with --adding.freeze nothing."
            )


def grown_config(
    known: RunConfig,
    declared: Sequence[Declaration],
    adding: Adding,
    training: TrainingSettings | None = None,
    data_folder: Path | None = None,
    given: Sequence[Task] = (),
) -> RunConfig:
    """The configuration of a run that goes on from another one with these tasks more.

    The vocabulary stays: it is made of bytes and can write any text. By rules that follow rates alone, new tasks get
    half of the steps, which their rates divide among them. `given` are old tasks with examples that cannot be found
    again. Raises `InputError` for a task that the model knows already, and for rehearsals that cannot be.
    """
    names = [task.name for task in known.tasks]
    for one in declared:
        if one.name in names:
            raise InputError(f"The model knows a task {one.name} already: give the new one another name.")
    rehearsed = _rehearsed(names, adding)
    _, new = declared_tasks(declared, known.data, known.vocabulary)
    again = {task.name: task for task in given}
    missing = [task for task in known.tasks if task.name in rehearsed and task.name not in again]
    again |= {task.name: found_again(task, data_folder) for task in missing}
    settings = training or known.training
    tasks = rated([*(again.get(task.name, task) for task in known.tasks), *new], settings)
    config = dataclasses.replace(
        known,
        model=dataclasses.replace(known.model, experts=known.model.experts + adding.new_experts),
        training=dataclasses.replace(settings, rates={}),  # they are the tasks' own from here on
        tasks=_halved(tasks, rehearsed, [task.name for task in new]),
        resting=tuple(name for name in names if name not in rehearsed),
        frozen=_frozen(known, adding),
    )
    check_parts(config)
    _check_learnable(config, new)
    return config


def carry_over(model: nn.Module, newest: Path) -> None:
    """Give a grown model the weights of a checkpoint; where it has more experts these come after the old ones."""
    own = model.state_dict()
    with torch.no_grad():
        for name, weights in checkpoint.read_weights(newest).items():
            own[name][tuple(slice(size) for size in weights.shape)] = weights


def _halved(tasks: Sequence[Task], rehearsed: Sequence[str], new: Sequence[str]) -> tuple[Task, ...]:
    """The new tasks' rates made to add up to those of the rehearsed ones."""
    old_rates, new_rates = (sum(task.rate for task in tasks if task.name in names) for names in (rehearsed, new))
    factor = old_rates / new_rates if rehearsed else 1.0
    return tuple(dataclasses.replace(task, rate=task.rate * factor) if task.name in new else task for task in tasks)


def _rehearsed(names: Sequence[str], adding: Adding) -> tuple[str, ...]:
    """The old tasks to train on."""
    asked = [name for word in adding.rehearse for name in word.split(",") if name not in ("", "none")]
    for name in asked:
        if name not in (ALL, *names):
            raise InputError(f"There is no old task {name!r} to rehearse: {nearest(name, (ALL, 'none', *names))}")
    if adding.freeze == "old":
        if asked not in ([], [ALL]):
            raise InputError("Where all that is old is frozen nothing can be rehearsed: leave out --adding.rehearse.")
        return ()
    return tuple(names) if ALL in asked else tuple(name for name in names if name in asked)


def _frozen(known: RunConfig, adding: Adding) -> tuple[str, ...]:
    """The names, or beginnings of names, of parameters that keep their weights."""
    if adding.freeze == "nothing":
        return ()
    if adding.freeze == "body":
        return BODY
    nets, commands = (f"nets.{name}" for name in known.nets), (f"commands.{name}" for name in known.commands)
    return (*BODY, *nets, *commands)


def _check_learnable(config: RunConfig, new: Sequence[Task]) -> None:
    """A task whose nets and command are all frozen has nothing to learn with."""
    for task in new:
        parts = [f"nets.{task.input.net}", f"nets.{task.output.net}"]
        if task.measure != "class":  # a class is read without a command
            parts.append(f"commands.{task.command}")
        if all(part in config.frozen for part in parts):
            raise InputError(
                f"Task {task.name} has nothing of its own that could learn while all old parts are frozen: "
                "give it a net or a command of its own, or freeze less."
            )
