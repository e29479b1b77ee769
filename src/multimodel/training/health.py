"""Whether a step may be taken, and what follows if not: it is skipped, and after several of a task, rolled back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from multimodel.training.state import State

EXPLODING = 100.0  # times a task's usual norm; clipping takes care of what is less
DECAY = 0.9
IN_A_ROW = 5
SLOWER = 0.5
ROLLBACKS = 3
RECOVERED = 20  # good steps of the task that failed, after which it is one like any other


def trouble(loss: float, norm: float, usual: float | None, clip: float) -> str:
    """What forbids a step with this loss and this norm of the gradients, in words; empty where nothing does."""
    if not math.isfinite(loss):
        return f"its loss is {loss}"
    if not math.isfinite(norm):
        return f"the norm of its gradients is {norm}"
    if usual is not None and norm > max(clip, EXPLODING * usual):
        return f"the norm of its gradients is {norm:.3g}, where {usual:.3g} is usual"
    return ""


def troubles(state: State, tasks: Sequence[str], losses: Sequence[float], norm: float, clip: float) -> list[str]:
    """The same for tasks that take a step together; where some losses are no numbers, the others are not to blame."""
    spoiled = [not math.isfinite(loss) for loss in losses]
    return [
        "" if any(spoiled) and not bad else trouble(loss, norm, state.norms.get(task), clip)
        for task, loss, bad in zip(tasks, losses, spoiled, strict=True)
    ]


def after_good(state: State, task: str, norm: float) -> None:
    """Note a step that was taken."""
    usual = state.norms.get(task, norm)
    state.norms[task] = DECAY * usual + (1 - DECAY) * norm
    state.failing.pop(task, None)
    if task == state.diverged:
        state.recovered += 1
        if state.recovered >= RECOVERED:
            state.diverged, state.recovered, state.rollbacks = "", 0, 0


def after_bad(state: State, task: str) -> None:
    """Note a step that was not."""
    state.failing[task] = state.failing.get(task, 0) + 1
    state.recovered = 0


def failed_too_often(state: State) -> str:
    """The task that failed so often in a row that the weights, not its data, are to blame; empty where none did."""
    return next((task for task, times in state.failing.items() if times >= IN_A_ROW), "")


def rolled_back(good: State, now: State) -> State:
    """Where training stands after its weights are those of `good` again: it goes on with other batches, slower."""
    return replace(
        good,
        positions=now.positions,
        seconds=now.seconds,
        skipped=now.skipped,
        rollbacks=now.rollbacks + 1,
        slowing=now.slowing * SLOWER,
        pieces=now.pieces,
        failing={},
        diverged=failed_too_often(now),
        recovered=0,
    )


def taken_up(state: State, first: State) -> State:
    """The state of a run to go on with, and of tasks that rested until here the first one.

    Troubles of a task that rests from here on are over. Where the run had been given up its user has seen to it, and
    its learning rate is the full one again.
    """
    known = replace(
        state,
        positions=first.positions | state.positions,
        averages=first.averages | state.averages,
        failing={task: times for task, times in state.failing.items() if task in first.positions},
    )
    if given_up(state):
        return replace(known, rollbacks=0, diverged="", recovered=0, slowing=1.0)
    if state.diverged not in first.positions:
        return replace(known, rollbacks=0, diverged="", recovered=0)
    return known


def given_up(state: State) -> bool:
    """Whether going back has not helped so often that the run is to end."""
    return state.rollbacks > ROLLBACKS
