"""A whole training run: data in, checkpoints out. The command line and Python call the same function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from multimodel.errors import InputError
from multimodel.folders import features_folder
from multimodel.layers.paths import compiling, plain_paths
from multimodel.model import MultiModel
from multimodel.presets import Preset
from multimodel.tasks import mini8
from multimodel.tasks.batching import Stream
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.encoded import NAMED, encode_examples
from multimodel.tasks.mixture import Mixture, describe, first_averages
from multimodel.tasks.task import TRAIN
from multimodel.training import checkpoint
from multimodel.training.display import mixture_table
from multimodel.training.health import taken_up
from multimodel.training.history import definition, note_mixture
from multimodel.training.kinds import KINDS, Kinds
from multimodel.training.loop import run_to_end
from multimodel.training.processes import Processes, is_first, joined
from multimodel.training.run_config import RunConfig, run_config
from multimodel.training.settings import TrainingSettings
from multimodel.training.sharding import shard
from multimodel.training.state import State
from multimodel.training.trainer import Trainer, make_optimiser
from multimodel.training.watch import Watch


def default_device() -> torch.device:
    """A GPU where there is one, each process its own."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def start_run(preset: Preset, name: str, declared: Sequence[Declaration], kinds: Kinds = KINDS) -> RunConfig:
    """The configuration of a run on these tasks, vocabulary trained, examples attached."""
    console = Console(stderr=True, quiet=not is_first())
    console.print("reading the data and training the vocabulary", highlight=False)
    vocabulary, tasks = mini8.read_tasks(declared, preset.data)
    return run_config(preset, name, vocabulary, tasks, kinds)


def train(
    config: RunConfig,
    run: Path,
    *,
    resume: bool = False,
    device: torch.device | None = None,
    initial: Callable[[MultiModel], None] | None = None,
) -> Path:
    """Train, or go on training, until the budget is used up; the path of the last checkpoint.

    `initial` gives a model that is not resumed its first weights.

    Raises `InputError` if the folder already holds a run that is not to be resumed, or no budget is set.
    """
    settings = config.training
    check_start(settings, run, resume=resume)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with joined() as processes, paths(settings, processes):
        console = Console(stderr=True, quiet=not processes.first)
        streams = make_streams(config, console, processes)
        resumed = run if resume else None
        trainer = make_trainer(config, streams, resumed, device or default_device(), processes, initial)
        trainer.observer = Watch(run, config, console)
        if waiting := compiling(trainer.device, "cross_entropy_cpu"):
            console.print(waiting)
        steps = expected_steps(trainer)
        console.print(mixture_table(describe(trainer.mixture, streams, steps)))
        if processes.first:
            for change in note_mixture(run, trainer.state.step, definition(trainer.mixture, streams, settings)):
                console.print(f"! from step {trainer.state.step + 1} on, {change}", highlight=False, soft_wrap=True)
        if trainer.state.slowing < 1:
            console.print(f"at {trainer.state.slowing:g} of the learning rate, since training had to go back")
        console.print(f"about {steps:,} steps on {machine(trainer)}")
        return run_to_end(trainer, config, run, console)


def paths(settings: TrainingSettings, processes: Processes) -> AbstractContextManager[None]:
    """The plain paths where the model is cut: compiled code wants whole weights, and only a CPU has any."""
    return plain_paths() if sharded(settings, processes) else nullcontext()


def sharded(settings: TrainingSettings, processes: Processes) -> bool:
    """Whether the model is cut among the processes."""
    return settings.sharding == "full" and processes.count > 1


def machine(trainer: Trainer) -> str:
    """What trains, in words."""
    words = f"{trainer.device.type} with {torch.get_num_threads()} threads"
    return words if trainer.processes.count == 1 else f"{trainer.processes.count} processes, each {words}"


def check_start(settings: TrainingSettings, run: Path, *, resume: bool) -> None:
    """Raise `InputError` where a run cannot start; the command line asks before it reads any data."""
    if not settings.steps and not settings.minutes:
        raise InputError("How long? Give --steps, --minutes, or both.")
    if settings.placement == "task-per-rank" and settings.sharding == "full":
        raise InputError("With --sharding full all processes share a task: leave out --placement task-per-rank.")
    if checkpoint.checkpoints(run) and not resume:
        raise InputError(f"{run} already holds a run: give --resume to go on with it, or another --out.")


def expected_steps(trainer: Trainer) -> int:
    """The steps of the budget; minutes are turned into steps by timing each task's first batch, without a step."""
    settings, state = trainer.settings, trainer.state
    if not settings.minutes:
        return settings.steps or 0
    shares, seconds = trainer.mixture.shares(state.averages), 0.0
    trainer.rehearse(next(iter(shares)))  # the first one compiles
    for task, share in shares.items():
        seconds += share * settings.accumulate * trainer.rehearse(task)
    steps = state.step + round(max(60 * settings.minutes - state.seconds, 0) / seconds)
    return min(steps, settings.steps or steps)


def make_streams(config: RunConfig, console: Console, processes: Processes | None = None) -> dict[str, Stream]:
    """Encode the training examples of every task; says which, as some take seconds."""
    settings, processes = config.training, processes or Processes()
    streams = {}
    for task in config.trained:
        console.print(f"encoding {task.name}", highlight=False)
        cache, most_bad = features_folder(), config.data.most_bad
        encoded = encode_examples(task, TRAIN, cache=cache, progress=processes.first, most_bad=most_bad)
        for line in skipped(encoded.bad):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        streams[task.name] = Stream(
            task,
            encoded,
            batch_cost=settings.batch_cost,
            seed=settings.seed,
            batch_examples=settings.batch_examples,
            share=(0, 1) if settings.placement == "task-per-rank" else (processes.rank, processes.count),
        )
    return streams


def skipped(bad: Sequence[str]) -> list[str]:
    """What to tell of examples that cannot be used: the first few by name, and how many there are."""
    if not bad:
        return []
    more = [f"  … {len(bad):,} in all; `multimodel data check` names every one"] if len(bad) > NAMED else []
    return [*(f"  skipped: {reason}" for reason in bad[:NAMED]), *more]


def make_trainer(
    config: RunConfig,
    streams: dict[str, Stream],
    resumed: Path | None,
    device: torch.device,
    processes: Processes | None = None,
    initial: Callable[[MultiModel], None] | None = None,
) -> Trainer:
    """A trainer at step 0, or where the newest checkpoint of a run left off."""
    settings = config.training
    names = tuple(streams)
    torch.manual_seed(settings.seed)
    model = config.build()
    if initial and not resumed:
        initial(model)
    freeze(model, config.frozen)
    if processes and sharded(settings, processes):
        shard(model)  # before any device has all of it
    optimiser = make_optimiser(model.to(device), settings)
    state = State(positions=dict.fromkeys(names, 0), averages=first_averages(names))
    if resumed:
        newest = checkpoint.latest(resumed)
        checkpoint.restore(newest, model, optimiser)
        state = taken_up(checkpoint.load_state(newest), state)
    mixture = Mixture(
        names=names,
        rates=tuple(task.rate for task in config.trained),
        examples=tuple(len(stream.encoded) for stream in streams.values()),
        rule=settings.mixing,
        temperature=settings.temperature,
        cap=settings.cap,
        seed=settings.seed,
    )
    return Trainer(model, optimiser, mixture, streams, settings, state, device, processes)


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Parameters of these names, or inside these parts, get no gradient and do not move."""
    for name, parameter in model.named_parameters():
        if any(name == part or name.startswith(f"{part}.") for part in parts):
            parameter.requires_grad_(False)
