"""Which experts each task used, compared: do tasks share experts or keep to their own (paper, section 2.4)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from multimodel.evaluation.evaluate import TaskEvaluation

LAYERS = ("encoder", "decoder")


@dataclass(frozen=True, kw_only=True)
class LayerUse:
    """One mixture of experts: the share of the gates that each task gave to each expert, (tasks, experts)."""

    layer: str
    tasks: tuple[str, ...]
    shares: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two tasks and the total variation distance between their shares: 0 alike, 1 no expert in common."""

    first: str
    second: str
    distance: float


def layer_uses(evaluations: Sequence[TaskEvaluation]) -> list[LayerUse]:
    """The mixtures of a run; one that writes a class passes only the encoder's and is absent from the decoder's."""
    depth = max((len(evaluation.teacher_forced.experts) for evaluation in evaluations), default=0)
    return [_layer_use(evaluations, index) for index in range(depth)]


def _layer_use(evaluations: Sequence[TaskEvaluation], index: int) -> LayerUse:
    using = [evaluation for evaluation in evaluations if len(evaluation.teacher_forced.experts) > index]
    return LayerUse(
        layer=LAYERS[index] if index < len(LAYERS) else f"layer {index + 1}",
        tasks=tuple(evaluation.task for evaluation in using),
        shares=np.nan_to_num(np.array([evaluation.teacher_forced.experts[index] for evaluation in using])),
    )


def pairs(use: LayerUse) -> list[Pair]:
    """Every two tasks, most alike first."""
    found = [
        Pair(
            first=use.tasks[one],
            second=use.tasks[other],
            distance=float(np.abs(use.shares[one] - use.shares[other]).sum() / 2),
        )
        for one, other in combinations(range(len(use.tasks)), 2)
    ]
    return sorted(found, key=lambda pair: pair.distance)


def grouped(shares: np.ndarray) -> np.ndarray:
    """The experts' numbers, those that one task uses most side by side, its favourites first."""
    return np.lexsort((-shares.max(axis=0), shares.argmax(axis=0)))
