"""MultiModel: one network that learns speech, images, captions, parsing and translation together (arXiv 1706.05137)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multimodel.batch import Batch, Net, Route
    from multimodel.errors import InputError
    from multimodel.evaluation.evaluate import EvaluationSettings
    from multimodel.prediction import TrainedModel, load
    from multimodel.presets import PRESETS, Preset
    from multimodel.runs import add, compare, evaluate, export, train
    from multimodel.tasks.columns import Audio, Category, Image, Text, Tree, Waveform
    from multimodel.tasks.declaration import Declaration
    from multimodel.training.adding import Adding
    from multimodel.training.kinds import KINDS, Kinds

__all__ = [
    "KINDS",
    "PRESETS",
    "Adding",
    "Audio",
    "Batch",
    "Category",
    "Declaration",
    "EvaluationSettings",
    "Image",
    "InputError",
    "Kinds",
    "Net",
    "Preset",
    "Route",
    "Text",
    "TrainedModel",
    "Tree",
    "Waveform",
    "add",
    "compare",
    "evaluate",
    "export",
    "load",
    "train",
]

HOMES = {
    "Batch": "multimodel.batch",
    "Net": "multimodel.batch",
    "Route": "multimodel.batch",
    "Adding": "multimodel.training.adding",
    "InputError": "multimodel.errors",
    **dict.fromkeys(("KINDS", "Kinds"), "multimodel.training.kinds"),
    **dict.fromkeys(("Audio", "Category", "Image", "Text", "Tree", "Waveform"), "multimodel.tasks.columns"),
    "Declaration": "multimodel.tasks.declaration",
    "EvaluationSettings": "multimodel.evaluation.evaluate",
    **dict.fromkeys(("PRESETS", "Preset"), "multimodel.presets"),
    "TrainedModel": "multimodel.prediction",
    **dict.fromkeys(("add", "compare", "evaluate", "export", "train"), "multimodel.runs"),
    "load": "multimodel.prediction",
}


def __getattr__(name: str) -> object:
    """Import an exported name when it is first asked for: `multimodel --help` need not wait for torch."""
    if name not in HOMES:
        raise AttributeError(f"module 'multimodel' has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
