"""The learning rate: a linear warm-up, then a decay (authors' code for noam)."""

from __future__ import annotations

import math

from multimodel.training.settings import TrainingSettings


def learning_rate(settings: TrainingSettings, step: int, progress: float) -> float:
    """The rate of a step, counted from 0; `progress` is the share of the run's budget that is used up, 0…1."""
    warm = min(1.0, (step + 1) / max(settings.warm_up, 1))
    fall = {
        "cosine": 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))),
        "noam": min(1.0, (max(settings.warm_up, 1) / (step + 1)) ** 0.5),
        "none": 1.0,
    }[settings.decay]
    return settings.learning_rate * warm * fall


def progress(settings: TrainingSettings, step: int, seconds: float) -> float:
    """The larger share of the step and the time budget that is used up; 1 or more ends the run."""
    by_steps = step / settings.steps if settings.steps else 0.0
    by_time = seconds / (60 * settings.minutes) if settings.minutes else 0.0
    return max(by_steps, by_time)
