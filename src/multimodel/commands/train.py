"""`multimodel train PRESET --out RUN`: train on a mixture of tasks, or go on with a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from tyro.conf import Positional, arg

from multimodel.build import Sizes
from multimodel.errors import InputError
from multimodel.folders import mini8_folder
from multimodel.presets import PRESETS, Preset
from multimodel.tasks.mini8 import NAMES
from multimodel.tasks.mini8 import Settings as DataSettings
from multimodel.training import checkpoint
from multimodel.training.checkpoint import RunConfig
from multimodel.training.processes import is_first, under_torchrun
from multimodel.training.settings import TrainingSettings
from multimodel.training.train import check_start, resume_run, start_run, train


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train one model on several tasks. A preset sets everything; any of it can be overruled by an option."""

    preset: Positional[str] = tyro.MISSING
    """tiny, quickstart, base or paper."""
    out: Path = tyro.MISSING
    """Folder of the run: checkpoints, logs."""
    tasks: tuple[str, ...] = NAMES
    """Tasks to train on, by name, with spaces or commas between."""
    data_folder: Path = field(default_factory=mini8_folder)
    """Folder of the built mini8."""
    resume: bool = False
    """Go on with the run in --out, with its own settings where no option overrules them."""
    processes: int = 1
    """Processes that share every batch, started by torchrun; on a CPU, the cores are divided among them."""
    training: Annotated[TrainingSettings, arg(name="")]
    model: Sizes
    data: DataSettings


def main(arguments: Sequence[str]) -> None:
    """Parse twice, since the preset or the run that the words name has the default values; then train."""
    guess = next((word for word in arguments if word in PRESETS), "quickstart")
    outline = parse(arguments, defaults(PRESETS[guess]))
    if outline.preset not in PRESETS:
        raise InputError(f"There is no preset {outline.preset!r}: choose from {', '.join(PRESETS)}.")
    if outline.processes > 1 and not under_torchrun():
        launch(arguments, outline.processes)
        return
    config = resumed(arguments, outline.out) if outline.resume else started(arguments, outline.preset)
    place = train(config, outline.out, resume=outline.resume)
    if is_first():
        print(f"Trained: {place}")


def launch(arguments: Sequence[str], processes: int) -> None:
    """Run this command in several processes on this machine; raises `InputError` where one of them fails."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    if torch.cuda.is_available() and processes > torch.cuda.device_count():
        raise InputError(f"There are {torch.cuda.device_count()} GPUs here, too few for --processes {processes}.")
    threads = max(1, (os.cpu_count() or 1) // processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        torchrun(["--standalone", f"--nproc-per-node={processes}", "-m", "multimodel", "train", *arguments])
    except ChildFailedError as error:
        if any(failure.exitcode == 130 for failure in error.failures.values()):
            raise KeyboardInterrupt from error
        raise InputError(f"One of the {processes} processes failed; what it printed stands above.") from error


def parse(arguments: Sequence[str], default: Train) -> Train:
    """The command, with these values where no option says otherwise."""
    return tyro.cli(Train, args=arguments, prog="multimodel train", default=default)


def defaults(preset: Preset) -> Train:
    """What holds where no option says otherwise."""
    return Train(training=preset.training, model=preset.model, data=preset.data)


def started(arguments: Sequence[str], preset: str) -> RunConfig:
    """A run from a preset."""
    command = parse(arguments, defaults(PRESETS[preset]))
    check_start(command.training, command.out, resume=False)
    chosen = Preset(model=command.model, data=command.data, training=command.training)
    return start_run(chosen, preset, command.data_folder, split_names(command.tasks))


def resumed(arguments: Sequence[str], run: Path) -> RunConfig:
    """A run to go on with; what its weights depend on cannot change."""
    known = checkpoint.load_config(checkpoint.latest(run))
    tasks = tuple(task.name for task in known.tasks)
    folder = Path(known.data_folder)
    own = Train(tasks=tasks, data_folder=folder, training=known.training, model=known.model, data=known.data)
    command = parse(arguments, own)
    fixed = {
        "preset": (command.preset, known.preset),
        "tasks": (tuple(split_names(command.tasks)), tasks),
        "model": (command.model, known.model),
        "data": (command.data, known.data),
    }
    for name, (given, kept) in fixed.items():
        if given != kept:
            raise InputError(f"The run in {run} has another {name}: it can only go on with {kept}, not with {given}.")
    return resume_run(run, command.training, command.data_folder)


def split_names(words: Sequence[str]) -> list[str]:
    """Names given with spaces or commas between."""
    return [name for word in words for name in word.split(",") if name]
