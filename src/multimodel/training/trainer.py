"""One training step after another: choose a task, take its next batch, descend (paper, section 4)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from multimodel.batch import Batch
from multimodel.errors import InputError
from multimodel.loss import smoothed_cross_entropy
from multimodel.model import MultiModel, Output
from multimodel.tasks.batching import Stream
from multimodel.tasks.mixture import Mixture, updated_averages
from multimodel.training.checkpoint import State
from multimodel.training.precision import arithmetic
from multimodel.training.processes import Processes, unsynchronised
from multimodel.training.schedule import learning_rate, progress
from multimodel.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one step did; the loss is in nats per target symbol, times are in seconds."""

    step: int
    task: str
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
        self.parallel = self.processes.wrap(model)
        self.parameters = list(model.parameters())
        self.optimiser = optimiser
        self.mixture = mixture
        self.streams = streams
        self.settings = settings
        self.state = state
        self.device = device

    @property
    def progress(self) -> float:
        """The share of the budget that is used up; training ends at 1."""
        return progress(self.settings, self.state.step, self.state.seconds)

    def step(self) -> StepReport:
        """Train on the next batches of one task; dropout and expert noise depend on seed and step alone."""
        started = time.perf_counter()
        step, settings = self.state.step, self.settings
        rate = learning_rate(settings, step, self.progress)
        task = self.mixture.choose(step, self.state.averages)
        batches = self.next_batches(task)
        waited = time.perf_counter() - started
        torch.manual_seed(settings.seed * 1_000_003 + step + self.processes.rank * 1_000_000_007)
        loss, output = self.accumulate(batches)
        norm = self.descend(rate)
        examples, symbols, seconds = self.together(batches, time.perf_counter() - started)
        self.state.averages = updated_averages(self.state.averages, task, loss)
        self.state.step += 1
        self.state.seconds += seconds
        return StepReport(
            step=self.state.step,
            task=task,
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

    def together(self, batches: list[Batch], seconds: float) -> tuple[int, int, float]:
        """Examples and symbols of all processes' batches, and the first process's seconds: one clock for all."""
        counted = [batch for batch in batches if batch.symbols]
        examples, symbols, agreed = self.processes.total(
            sum(len(batch) for batch in counted),
            sum(batch.symbols for batch in counted),
            seconds if self.processes.first else 0.0,
        )
        return int(examples), int(symbols), agreed

    def rehearse(self, task: str) -> float:
        """Seconds that a batch of this task takes; nothing is learned and the state stays."""
        batch = self.streams[task].batch(self.state.positions[task]).to(self.device)
        started = time.perf_counter()
        self.accumulate([batch])
        self.optimiser.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    def next_batches(self, task: str) -> list[Batch]:
        """The task's next batches, `accumulate` of them."""
        position = self.state.positions[task]
        self.state.positions[task] = position + self.settings.accumulate
        return [self.streams[task].batch(position + index).to(self.device) for index in range(self.settings.accumulate)]

    def accumulate(self, batches: list[Batch]) -> tuple[float, Output]:
        """Add up the gradients of the mean loss over all real targets; the loss, and the last batch's output."""
        if not self.model.training:  # to say so anew to every module takes milliseconds
            self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        (symbols,) = self.processes.total(sum(batch.symbols for batch in batches))
        count = self.processes.count  # gradients are averaged over the processes, and losses are to be added up
        total = 0.0
        for batch in batches:
            with unsynchronised(self.parallel, batch is not batches[-1]):
                with arithmetic(self.settings.precision, self.device):
                    output = self.parallel(batch)
                loss = summed_loss(output.logits, batch, self.settings.label_smoothing) * (count / symbols)
                (loss + output.balance.to(loss.dtype) / len(batches)).backward()
            total += float(loss.detach()) / count
        return self.processes.total(total)[0], output

    def descend(self, rate: float) -> float:
        """Clip by the global norm and take an Adam step at this rate; the norm before clipping.

        Raises `InputError` where a gradient is no number, which one step would spread to all weights.
        """
        norm = clip(self.parameters, self.settings.clip)
        if not norm.isfinite():
            raise InputError(f"Training diverged after step {self.state.step}: try a lower --learning-rate.")
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return float(norm)


def clip(parameters: Iterable[nn.Parameter], most: float) -> Tensor:
    """Scale gradients down to this global norm, where it is larger; the norm before."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if norm > most:
        torch._foreach_mul_(gradients, most / norm)
    return norm


def summed_loss(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """The loss of all real targets, added up."""
    losses = smoothed_cross_entropy(logits, batch.targets, smoothing)
    return losses.where(batch.target_mask, 0).sum()


def padding(batches: list[Batch]) -> float:
    """The share of input and target places that are padding."""
    real = sum(int(batch.input_mask.sum()) + batch.symbols for batch in batches)
    return 1 - real / sum(batch.input_mask.numel() + batch.target_mask.numel() for batch in batches)


def busiest(output: Output) -> float:
    """The largest share of the gates that one expert got in any layer; 1/experts is perfect balance."""
    gates = [use.importance.detach() for use in output.use]
    return max((float(layer.max() / layer.sum().clamp(min=1e-9)) for layer in gates), default=0.0)
