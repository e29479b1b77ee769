"""The alarm for experts that collapse: a gate that sends all to the same few has stopped choosing.

The balance losses (Shazeer et al. 2017, section 4) are there to prevent it; this says when they do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from multimodel.layers.experts import ExpertUse, effective_experts

SLOW = 0.99
STEPS = 100  # of a task before its use of experts says anything
SAME = 1.1  # times the experts used per position: no more than these are in use where all go to the same
DEAD = 0.1  # of an even share: an expert that gets less is as good as gone


class ExpertUseOverTime:
    """Moving averages of each expert's share of the gates, per task and mixture."""

    def __init__(self, used: int, tasks: Sequence[str]) -> None:
        self.used = used
        self.tasks = tasks
        self.shares: dict[tuple[str, int], np.ndarray] = {}
        self.steps: dict[str, int] = defaultdict(int)
        self.told: set[str] = set()

    def add(self, task: str, uses: Sequence[ExpertUse]) -> list[str]:
        """Take in one step; the alarms that were not raised before, a sentence each."""
        self.steps[task] += 1
        for layer, use in enumerate(uses):
            gates = use.importance.detach().double().cpu().numpy()
            if np.isfinite(gates).all() and gates.sum() > 0:
                share = gates / gates.sum()
                known = self.shares.get((task, layer), share)
                self.shares[task, layer] = SLOW * known + (1 - SLOW) * share
        alarms = [] if self.steps[task] < STEPS else self.same(task)
        if all(self.steps[name] >= STEPS for name in self.tasks):
            alarms += self.dead()
        raised = [alarm for alarm in alarms if alarm not in self.told]
        self.told.update(raised)
        return raised

    def same(self, task: str) -> list[str]:
        """Mixtures in which nearly all positions of a task go to the same experts."""
        return [
            f"mixture {layer + 1}: nearly all of {task} goes to the same {self.used} of {len(share)} experts"
            for (name, layer), share in self.shares.items()
            if name == task and len(share) > 2 * self.used and effective_experts(share) < SAME * self.used
        ]

    def dead(self) -> list[str]:
        """Mixtures of whose experts more than half are hardly used by any task."""
        alarms = []
        for layer in sorted({layer for _, layer in self.shares}):
            together = np.mean([share for (_, at), share in self.shares.items() if at == layer], axis=0)
            dead = int((together < DEAD / len(together)).sum())
            if 2 * dead > len(together):
                alarms.append(f"mixture {layer + 1}: more than half of its {len(together)} experts are hardly used")
        return alarms
