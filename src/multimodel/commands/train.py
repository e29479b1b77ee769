"""`multimodel train PRESET --out RUN`: train on a mixture of tasks, or go on with a run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from tyro.conf import Positional, arg

from multimodel.build import Sizes
from multimodel.commands.console import table_console
from multimodel.commands.words import split_names
from multimodel.doctor.system import usable_cores
from multimodel.errors import InputError
from multimodel.evaluation.before_after import before_after_table
from multimodel.named_tasks import read_words, task_name, with_data
from multimodel.presets import PRESETS, Preset
from multimodel.runs import check_writable, compare, grow, named_preset, start
from multimodel.tasks import mini8
from multimodel.tasks.settings import DataSettings
from multimodel.training import checkpoint
from multimodel.training.adding import Adding
from multimodel.training.interruption import SIGNALS, leave
from multimodel.training.processes import is_first, under_torchrun
from multimodel.training.run_config import RunConfig, gone_on
from multimodel.training.settings import TrainingSettings
from multimodel.training.train import train


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train one model on several tasks. A preset sets everything; any of it can be overruled by an option.

    With --add a trained model learns further tasks: the run in RUN goes on as another one in --out.
    """

    preset: Positional[str] = tyro.MISSING
    """tiny, quickstart, base or paper; own to resume a run whose preset Python gave; with --add the folder of a run."""
    out: Path = tyro.MISSING
    """Folder of the run: checkpoints, logs."""
    tasks: tuple[str, ...] = mini8.NAMES
    """Tasks to train on: names of mini8's and paths of YAML files, with spaces or commas between; with --resume, those
    of the run to go on with, while the others rest."""
    data_folder: Path | None = None
    """Folder of the built mini8, where it is not in the cache or where the run had it."""
    add: tuple[str, ...] = ()
    """Tasks that the model of the run is to learn as well: paths of YAML files, with spaces or commas between."""
    resume: bool = False
    """Go on with the run in --out, with its own settings where no option overrules them."""
    start_or_resume: bool = False
    """Resume the run in --out if there is one, else start it: for what gives the same command again after a failure."""
    processes: int = 1
    """Processes that share every batch, started by torchrun; on a CPU, the cores are divided among them."""
    training: Annotated[TrainingSettings, arg(name="")]
    model: Sizes
    data: DataSettings
    adding: Adding = field(default_factory=Adding)


def main(arguments: Sequence[str]) -> None:
    """Parse twice, since the preset or the run that the words name has the default values; then train."""
    guess = next((word for word in arguments if word in PRESETS), "quickstart")
    outline = parse(arguments, defaults(PRESETS[guess]))
    check_writable(outline.out)
    if is_first() and (outline.resume or outline.start_or_resume):
        checkpoint.mend(outline.out)
    if outline.start_or_resume and checkpoint.checkpoints(outline.out):
        outline = dataclasses.replace(outline, resume=True)
    if not outline.add and not outline.resume:  # a run to go on with says itself what its preset is called
        named_preset(outline.preset)
    if outline.processes > 1 and not under_torchrun():
        launch(arguments, outline.processes)
        return
    place = grown(arguments, outline) if outline.add and not outline.resume else trained(arguments, outline)
    if is_first():
        print(f"Trained: {place}")
    if outline.add and is_first():
        old, new = compare(Path(outline.preset), outline.out, data_folder=outline.data_folder)
        if new:
            table_console().print(before_after_table(old, new))


def trained(arguments: Sequence[str], outline: Train) -> Path:
    """A run from its start or from where it was left; its last checkpoint."""
    if outline.resume:
        return train(resumed(arguments, outline.out), outline.out, resume=True)
    command = parse(arguments, defaults(PRESETS[outline.preset]))
    chosen = Preset(model=command.model, data=command.data, training=command.training)
    return start(chosen, outline.preset, split_names(command.tasks), command.out, command.data_folder)


def grown(arguments: Sequence[str], outline: Train) -> Path:
    """A run that goes on from another one with further tasks; its last checkpoint."""
    newest = checkpoint.latest(Path(outline.preset))
    known = checkpoint.load_config(newest)
    own = own_defaults(known)
    command = parse(arguments, own)
    data = dataclasses.replace(known.data, most_bad=command.data.most_bad)
    fixed = {
        "tasks": (command.tasks, own.tasks),
        "model": (command.model, own.model),
        "data": (command.data, data),
    }
    refuse_changes(outline.preset, fixed)
    known = dataclasses.replace(known, data=data)
    added = split_names(command.add)
    return grow(newest, known, added, command.out, command.adding, command.training, command.data_folder)


def launch(arguments: Sequence[str], processes: int) -> None:
    """Run this command in several processes on this machine; raises `InputError` where one of them fails."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    if torch.cuda.is_available() and processes > torch.cuda.device_count():
        raise InputError(f"There are {torch.cuda.device_count()} GPUs here, too few for --processes {processes}.")
    threads = max(1, (usable_cores() or 1) // processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        torchrun(["--standalone", f"--nproc-per-node={processes}", "-m", "multimodel", "train", *arguments])
    except SignalException as error:
        leave(error.sigval)
    except ChildFailedError as error:
        for number in SIGNALS:
            if any(failure.exitcode == 128 + number for failure in error.failures.values()):
                leave(number)
        raise InputError(f"One of the {processes} processes failed; what it printed stands above.") from error


def parse(arguments: Sequence[str], default: Train) -> Train:
    """The command, with these values where no option says otherwise; one limit of the budget replaces the other."""
    command = tyro.cli(Train, args=arguments, prog="multimodel train", default=default)
    given = {word.split("=")[0] for word in arguments}
    if "--steps" in given and "--minutes" not in given:
        return dataclasses.replace(command, training=dataclasses.replace(command.training, minutes=None))
    if "--minutes" in given and "--steps" not in given:
        return dataclasses.replace(command, training=dataclasses.replace(command.training, steps=None))
    return command


def defaults(preset: Preset) -> Train:
    """What holds where no option says otherwise."""
    return Train(training=preset.training, model=preset.model, data=preset.data)


def resumed(arguments: Sequence[str], run: Path) -> RunConfig:
    """A run to go on with; what its weights depend on cannot change, but some of its tasks may rest from here on."""
    known = checkpoint.load_config(checkpoint.latest(run))
    own = own_defaults(known)
    command = parse(arguments, own)
    names = [task.name for task in known.tasks]
    given, more = (read_words(split_names(words)) for words in (command.tasks, command.add))
    asked, added = (list(map(task_name, tasks)) for tasks in (given, more))
    data = dataclasses.replace(known.data, most_bad=command.data.most_bad)
    fixed = {
        "preset": (known.preset if added else command.preset, known.preset),
        "tasks": (asked, asked if set(asked) <= set(names) else names),
        "tasks that were added": ([name for name in added if name in names], added),
        "model": (command.model, known.model),
        "data": (command.data, data),
    }
    refuse_changes(str(run), fixed)
    resting = tuple(name for name in names if name not in asked)
    known = dataclasses.replace(known, data=data, resting=resting)
    declared = {task_name(task): task for task in [*given, *more]}
    again = [declared.get(task.name, task.name) for task in known.trained]
    return gone_on(known, with_data(known, again, command.data_folder), command.training)


def refuse_changes(run: str, fixed: Mapping[str, tuple[object, object]]) -> None:
    """Raise `InputError` where what a run's weights depend on is given otherwise than the run has it."""
    for name, (given, kept) in fixed.items():
        if given != kept:
            raise InputError(f"The run in {run} has another {name}: it can only go on with {kept}, not with {given}.")


def own_defaults(config: RunConfig) -> Train:
    """What holds for a run where no option says otherwise."""
    tasks = tuple(task.name for task in config.trained)
    return Train(tasks=tasks, training=config.training, model=config.model, data=config.data)
