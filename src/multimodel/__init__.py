"""MultiModel: one network that learns speech, images, captions, parsing and translation together (arXiv 1706.05137)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multimodel.batch import Batch, Net, Route
    from multimodel.prediction import TrainedModel, load

__all__ = ["Batch", "Net", "Route", "TrainedModel", "load"]

HOMES = {
    "Batch": "multimodel.batch",
    "Net": "multimodel.batch",
    "Route": "multimodel.batch",
    "TrainedModel": "multimodel.prediction",
    "load": "multimodel.prediction",
}


def __getattr__(name: str) -> object:
    """Import an exported name when it is first asked for: `multimodel --help` need not wait for torch."""
    if name not in HOMES:
        raise AttributeError(f"module 'multimodel' has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
