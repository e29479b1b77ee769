"""Keeps an account of a run: steps that were not taken and why, memory that was short, experts that collapse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from multimodel.batch import Batch
from multimodel.errors import InputError
from multimodel.layers.experts import ExpertUse
from multimodel.tasks.batching import Stream
from multimodel.tasks.task import TRAIN
from multimodel.training.blame import blame, repeated, twin
from multimodel.training.collapse import ExpertUseOverTime
from multimodel.training.incidents import Incident, keep_step, note
from multimodel.training.pieces import out_of_memory
from multimodel.training.run_config import RunConfig
from multimodel.training.sharding import is_sharded
from multimodel.training.trainer import Trainer

NAMED = 3  # examples, the worst of a step


class Watch:
    """An `Observer` that writes to the run's folder and to the console."""

    def __init__(self, run: Path, config: RunConfig, console: Console) -> None:
        self.run = run
        self.config = config
        self.console = console
        self.experts = ExpertUseOverTime(config.model.experts_used, [task.name for task in config.trained])

    def used(self, trainer: Trainer, task: str, use: Sequence[ExpertUse]) -> None:
        """Raise the alarm where experts collapse."""
        for alarm in self.experts.add(task, use):
            self.tell(trainer, "experts", task, alarm)

    def skipped(self, trainer: Trainer, task: str, position: int, reason: str, batches: Sequence[Batch]) -> None:
        """Find out what is to blame, and keep what it takes to repeat the step."""
        own = [batch for batch in batches if batch.symbols]  # other processes may have all the examples
        if not own:
            return
        if is_sharded(trainer.model):  # of which no process can repeat the step alone
            self.tell(trainer, "skipped", task, f"step {trainer.state.step + 1} of {task} was skipped: {reason}")
            return
        parts, ids = trainer.parts(own), drawn_ids(trainer, task, position)
        model = twin(trainer.model)
        try:
            found = blame(model, parts, repeated(model, trainer.settings, trainer.seed))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            what = f"step {trainer.state.step + 1} of {task} was skipped: {reason}; memory is too short to find out why"
            self.tell(trainer, "skipped", task, what)
            return
        what = (
            f"step {trainer.state.step + 1} of {task} was skipped: {reason}; "
            f"first in {found.layer}; examples {', '.join(ids[place] for place in found.worst[:NAMED])}"
        )
        details = {
            "reason": reason,
            "device": str(trainer.device),
            "layer": found.layer,
            "experts in use": found.gates,
            "examples": [
                {"id": one, "loss": loss, "gradient_norm": norm}
                for one, loss, norm in zip(ids, found.losses, found.norms, strict=True)
            ],
        }
        incident = Incident(step=trainer.state.step + 1, kind="skipped", task=task, what=what, details=details)
        rank = trainer.processes.rank
        weights = rank == 0 or trainer.apart
        keep_step(self.run, incident, self.config, trainer.model, parts, trainer.seed, rank, weights=weights)
        self.write(incident)

    def halved(self, trainer: Trainer, task: str, count: int) -> None:
        """Say that memory is short."""
        what = f"memory is short: from here on batches of {task} are worked through in {count} pieces"
        self.tell(trainer, "memory", task, what)

    def tell(self, trainer: Trainer, kind: str, task: str, what: str) -> None:
        """Note and print a sentence; one process speaks for all."""
        if trainer.processes.first or trainer.apart:
            self.write(Incident(step=trainer.state.step + 1, kind=kind, task=task, what=what))

    def write(self, incident: Incident) -> None:
        """Note an incident and print it."""
        note(self.run, incident)
        self.console.print(f"! {incident.what}", highlight=False, markup=False, soft_wrap=True)


def drawn_ids(trainer: Trainer, task: str, position: int) -> list[str]:
    """The names of the examples in this process's share of a step's batches, the first of which is at this position."""
    stream = trainer.streams[task]
    first, step = stream.share
    places = range(position, position + trainer.settings.accumulate)
    return [name_of(stream, int(row)) for place in places for row in stream.rows(place)[first::step]]


def name_of(stream: Stream, row: int) -> str:
    """An example's name; its place where it can no longer be read."""
    try:
        return stream.task.examples[TRAIN][row].id
    except InputError:
        return f"number {row}"
