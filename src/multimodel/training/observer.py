"""Who is told of what happens inside a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from multimodel.batch import Batch
from multimodel.layers.experts import ExpertUse

if TYPE_CHECKING:
    from multimodel.training.trainer import Trainer


@runtime_checkable
class Observer(Protocol):
    """Who is told what the report of a step has no room for."""

    def used(self, trainer: Trainer, task: str, use: Sequence[ExpertUse]) -> None:
        """How the step used the experts of each mixture."""

    def skipped(self, trainer: Trainer, task: str, position: int, reason: str, batches: Sequence[Batch]) -> None:
        """The step, whose batches begin at this position, is not taken; its gradients are still there."""

    def halved(self, trainer: Trainer, task: str, count: int) -> None:
        """Memory was short: from here on the batches of a task are worked through in so many pieces."""


class Nobody:
    """Observes nothing."""

    def used(self, trainer: Trainer, task: str, use: Sequence[ExpertUse]) -> None:
        """As `Observer`."""

    def skipped(self, trainer: Trainer, task: str, position: int, reason: str, batches: Sequence[Batch]) -> None:
        """As `Observer`."""

    def halved(self, trainer: Trainer, task: str, count: int) -> None:
        """As `Observer`."""
