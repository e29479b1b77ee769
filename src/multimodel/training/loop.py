"""Steps until the budget is used up; checkpoints, and the way back to one where training diverges."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from multimodel.errors import InputError
from multimodel.training import checkpoint
from multimodel.training.display import Display
from multimodel.training.health import ROLLBACKS, failed_too_often, given_up, rolled_back
from multimodel.training.held_out import HeldOut, make_held_out
from multimodel.training.interruption import interruption, leave
from multimodel.training.run_config import RunConfig
from multimodel.training.sharding import is_sharded
from multimodel.training.trainer import Trainer


def run_to_end(trainer: Trainer, config: RunConfig, run: Path, console: Console) -> Path:
    """Step until the budget is used up, with a checkpoint at the start, now and then, on interruption, and at the end.

    The first one says at once whether the disk takes it, and is what an early divergence is rolled back to.
    """
    held_out = make_held_out(config.trained, config.training)
    every = config.training.checkpoint_steps
    with interruption() as asked:
        with Display(run, console, trainer.state.step) if trainer.processes.first else nullcontext() as display:
            if not trainer.state.step:
                save(trainer, config, run, held_out, display)
            stopped = 0
            while trainer.progress < 1 and not stopped:
                report = trainer.step()
                reports = trainer.processes.all_of(report) if trainer.apart else [report]
                if display:
                    display.show(reports, trainer.progress)
                if failed_too_often(trainer.state):
                    roll_back(trainer, config, run, display)
                elif report.step % every == 0 and trainer.progress < 1 and not trainer.state.failing:
                    save(trainer, config, run, held_out, display)
                stopped = trainer.processes.most(asked.signal)
            save(trainer, config, run, held_out, display)
        if stopped:
            console.print(f"Stopped at step {trainer.state.step}: `--resume` goes on from there.", soft_wrap=True)
            leave(stopped)
    return checkpoint.place_of(run, trainer.state.step)


def save(trainer: Trainer, config: RunConfig, run: Path, held_out: HeldOut, display: Display | None) -> None:
    """Write a checkpoint, with the losses on held-out examples, which all processes find alike."""
    trainer.state.held_out = held_out.losses(trainer.model) if trainer.state.step else {}
    if display:
        display.show_held_out(trainer.state.step, trainer.state.held_out)
    write(trainer, config, run)


def write(trainer: Trainer, config: RunConfig, run: Path) -> None:
    """The first process writes for all, where they do not each have a part of it."""
    if trainer.processes.first or is_sharded(trainer.model):
        checkpoint.save(run, config, trainer.model, trainer.optimiser, trainer.state)


def roll_back(trainer: Trainer, config: RunConfig, run: Path, display: Display | None) -> None:
    """Give the model back what it was when no task was failing, to go on more slowly and with other batches.

    Raises `InputError`, an account, where that has not helped several times.
    """
    task, failed = failed_too_often(trainer.state), trainer.state.step
    trainer.processes.wait()  # until the others have noted what they found
    good = checkpoint.latest_good(run)
    checkpoint.restore(good, trainer.model, trainer.optimiser)
    trainer.state = rolled_back(checkpoint.load_state(good), trainer.state)
    over = given_up(trainer.state)
    trainer.processes.wait()  # until all have read what is now written anew
    if display:
        checkpoint.drop_after(run, trainer.state.step)
        if not over:
            display.roll_back(task, failed, trainer.state)
    write(trainer, config, run)
    if over:
        trainer.processes.wait()  # until it is written: where one process ends torchrun ends the others
        raise InputError(account(run, task, failed, trainer.state.step))


def account(run: Path, task: str, failed: int, good: int) -> str:
    """What to say when a run is given up."""
    return (
        f"Training on {task} diverged at step {failed}, again after {ROLLBACKS} roll-backs, each at half the "
        f"learning rate of the one before. The checkpoint of step {good} is whole. "
        f"`multimodel replay {run}` shows which examples and layers were at fault: mend the data of {task}, or go on "
        "with --resume and a lower --learning-rate."
    )
