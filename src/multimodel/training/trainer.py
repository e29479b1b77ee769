"""One training step after another: choose a task, take its next batch, descend (paper, section 4)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from multimodel.batch import Batch
from multimodel.errors import InputError
from multimodel.model import MultiModel, Output
from multimodel.tasks.batching import Stream
from multimodel.tasks.mixture import Mixture, updated_averages
from multimodel.training.gradients import clip, gradients
from multimodel.training.health import after_bad, after_good, troubles
from multimodel.training.observer import Nobody, Observer
from multimodel.training.pieces import out_of_memory, pieces
from multimodel.training.processes import Processes
from multimodel.training.schedule import learning_rate, progress
from multimodel.training.settings import TrainingSettings
from multimodel.training.state import State

ELSEWHERE = "the task of another process failed"


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one step did; the loss is in nats per target symbol, times are in seconds.

    `rank` is that of the process, where each takes a task of its own; `position` that of the first batch in its task's
    stream, `drawn` a digest of which examples were in all; `skipped` says why the step was not taken, if it was not.
    """

    step: int
    rank: int
    task: str
    position: int
    drawn: str
    skipped: str
    loss: float
    balance: float
    gradient_norm: float
    learning_rate: float
    examples: int
    symbols: int
    padding: float
    seconds: float
    waiting: float
    busiest_expert: float


def make_optimiser(model: nn.Module, settings: TrainingSettings) -> torch.optim.AdamW:
    """Adam with the authors' moments. A parameter without a gradient is skipped: what a task does not use stays."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=1e-6,
        weight_decay=settings.weight_decay,
        fused=True,
    )


class Trainer:
    """A model, its optimiser, the streams of its tasks, and the state from which the next step follows."""

    def __init__(
        self,
        model: MultiModel,
        optimiser: torch.optim.Optimizer,
        mixture: Mixture,
        streams: Mapping[str, Stream],
        settings: TrainingSettings,
        state: State,
        device: torch.device,
        processes: Processes | None = None,
    ) -> None:
        self.model = model
        self.processes = processes or Processes()
        self.observer: Observer = Nobody()
        self.parallel = self.processes.wrap(model)
        self.parameters = list(model.parameters())
        self.optimiser = optimiser
        self.mixture = mixture
        self.streams = streams
        self.settings = settings
        self.state = state
        self.device = device

    @property
    def apart(self) -> bool:
        """Whether each process takes a task of its own."""
        return self.settings.placement == "task-per-rank" and self.processes.count > 1

    @property
    def place(self) -> int:
        """This process's place among those that take a task in a step; the first where all take the same."""
        return self.processes.rank if self.apart else 0

    @property
    def progress(self) -> float:
        """The share of the budget that is used up; training ends at 1."""
        return progress(self.settings, self.state.step, self.state.seconds)

    def step(self) -> StepReport:
        """Train on the next batches of one task; dropout and expert noise depend on seed and step alone.

        A step whose loss or gradients are no numbers, or explode, is counted and changes no weights.
        """
        started = time.perf_counter()
        state = self.state
        rate = learning_rate(self.settings, state.step, self.progress) * state.slowing
        tasks = self.tasks()
        task = tasks[self.place]
        position, batches = self.next_batches(tasks)
        waited = time.perf_counter() - started
        loss, output = self.accumulate(batches)
        norm = clip(self.parameters, self.settings.clip)
        skipped = self.settle(rate, tasks, loss, norm)
        if skipped not in ("", ELSEWHERE):
            self.observer.skipped(self, task, position, skipped, batches)
        self.observer.used(self, task, output.use)
        examples, symbols, seconds = self.counted(batches, time.perf_counter() - started)
        state.step += 1
        state.seconds += seconds
        return StepReport(
            step=state.step,
            rank=self.place,
            task=task,
            position=position,
            drawn=self.streams[task].drawn(position, self.settings.accumulate),
            skipped=skipped,
            loss=loss,
            balance=float(output.balance.detach()),
            gradient_norm=norm,
            learning_rate=rate,
            examples=examples,
            symbols=symbols,
            padding=padding(batches),
            seconds=seconds,
            waiting=waited,
            busiest_expert=busiest(output),
        )

    def tasks(self) -> list[str]:
        """The task of this step, or that of each process."""
        if not self.apart:
            return [self.mixture.choose(self.state.step, self.state.averages)]
        first = self.state.step * self.processes.count
        return [self.mixture.choose(first + rank, self.state.averages) for rank in range(self.processes.count)]

    def settle(self, rate: float, tasks: Sequence[str], loss: float, norm: float) -> str:
        """Take the step, or say why not; every process keeps the same account of it."""
        state = self.state
        losses = self.processes.each(loss) if self.apart else [loss]
        reasons = troubles(state, tasks, losses, norm, self.settings.clip)
        if not any(reasons):
            self.descend(rate)
        state.skipped += any(reasons)
        for task in dict.fromkeys(tasks):  # once, however many processes took it
            if any(reason for other, reason in zip(tasks, reasons, strict=True) if other == task):
                after_bad(state, task)
            elif not any(reasons):
                after_good(state, task, norm)
        for task, lost in zip(tasks, losses, strict=True):
            if not any(reasons):
                state.averages = updated_averages(state.averages, task, lost)
        return reasons[self.place] or (ELSEWHERE if any(reasons) else "")

    @property
    def seed(self) -> int:
        """Of the step's random numbers, which so depend on its place in the run alone."""
        return self.settings.seed * 1_000_003 + self.state.step + self.processes.rank * 1_000_000_007

    def counted(self, batches: list[Batch], seconds: float) -> tuple[int, int, float]:
        """Examples and symbols of all processes' batches, and the first process's seconds: one clock for all."""
        counted = [batch for batch in batches if batch.symbols]
        examples, symbols, agreed = self.processes.total(
            sum(len(batch) for batch in counted),
            sum(batch.symbols for batch in counted),
            seconds if self.processes.first else 0.0,
        )
        if self.apart:
            return sum(map(len, batches)), sum(batch.symbols for batch in batches), agreed
        return int(examples), int(symbols), agreed

    def rehearse(self, task: str) -> float:
        """Seconds that a batch of this task takes; nothing is learned, and no batch counts as taken."""
        batch = self.streams[task].batch(self.state.positions[task]).to(self.device)
        started = time.perf_counter()
        self.accumulate([batch])
        self.optimiser.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    def next_batches(self, tasks: Sequence[str]) -> tuple[int, list[Batch]]:
        """The next batches of this process's task, `accumulate` of them, and the first one's position; all move on."""
        count, own = self.settings.accumulate, 0
        for rank, task in enumerate(tasks):
            if rank == self.place:
                own = self.state.positions[task]
            self.state.positions[task] += count
        stream = self.streams[tasks[self.place]]
        return own, [stream.batch(own + index).to(self.device) for index in range(count)]

    def accumulate(self, batches: list[Batch]) -> tuple[float, Output]:
        """As `attempt`; where memory is short, in twice as many pieces, and so on until there is room.

        Raises `InputError` where a single example is too large, or other processes wait for this one.
        """
        while True:
            try:
                return self.attempt(batches)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            self.halve(batches)  # outside of the block above, whose error holds on to memory

    def halve(self, batches: list[Batch]) -> None:
        """Halve what is worked through at a time, from here on."""
        task, largest = batches[0].task, max(map(len, batches))
        count = self.state.pieces.get(task, 1)
        if count >= largest or self.processes.count > 1:
            raise InputError(
                f"Memory is short in a batch of task {task}: lower --batch-cost {self.settings.batch_cost}, "
                "or the sizes in --data that bound its inputs."
            )
        self.state.pieces[task] = 2 * count
        self.optimiser.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.observer.halved(self, task, 2 * count)

    def attempt(self, batches: list[Batch]) -> tuple[float, Output]:
        """Leave the gradients of the mean loss over all processes' real targets; that loss, and the last output."""
        torch.manual_seed(self.seed)
        self.optimiser.zero_grad(set_to_none=True)
        parts = self.parts(batches)
        if self.apart:  # the loss of the step is the mean of the tasks' losses, as gradients are
            return gradients(self.parallel, parts, self.settings)
        (symbols,) = self.processes.total(sum(batch.symbols for batch in batches))
        count = self.processes.count  # gradients are averaged over the processes, and losses are to be added up
        loss, output = gradients(self.parallel, parts, self.settings, count / symbols)
        return self.processes.total(loss / count)[0], output

    def parts(self, batches: Sequence[Batch]) -> list[Batch]:
        """The batches, or pieces of them where memory was short; processes that share batches have them whole."""
        count = self.state.pieces if self.processes.count == 1 else {}
        return [part for batch in batches for part in pieces(batch, count.get(batch.task, 1))]

    def descend(self, rate: float) -> None:
        """Take an Adam step at this rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()


def padding(batches: list[Batch]) -> float:
    """The share of input and target places that are padding."""
    real = sum(int(batch.input_mask.sum()) + batch.symbols for batch in batches)
    return 1 - real / sum(batch.input_mask.numel() + batch.target_mask.numel() for batch in batches)


def busiest(output: Output) -> float:
    """The largest share of the gates that one expert got in any layer; 1/experts is perfect balance."""
    gates = [use.importance.detach() for use in output.use]
    return max((float(layer.max() / layer.sum().clamp(min=1e-9)) for layer in gates), default=0.0)
