"""What goes wrong on purpose: sounds that are no numbers, memory that is short."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from multimodel.batch import Batch
from multimodel.model import MultiModel, Output
from multimodel.tasks import batching
from multimodel.tasks.encoded import Encoded
from multimodel.tasks.task import TRAIN, Task
from multimodel.training.run_config import RunConfig

TASKS = ("speech", "en-de")


def spoil(monkeypatch: pytest.MonkeyPatch, *rows: int) -> None:
    """Sounds of speech with these rows, all without any, are no numbers from the moment on that they are in a batch."""
    collate = batching.collate

    def spoiled(task: Task, encoded: Encoded, indices: Any) -> Batch:
        batch = collate(task, encoded, indices)
        bad = [place for place, row in enumerate(encoded.rows[indices]) if not rows or row in rows]
        if task.name == "speech" and bad:
            inputs = batch.inputs.clone()
            inputs[bad] = torch.nan
            return replace(batch, inputs=inputs)
        return batch

    monkeypatch.setattr(batching, "collate", spoiled)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> None:
    forward = MultiModel.forward

    def limited(self: MultiModel, batch: Batch) -> Output:
        if len(batch) > most:
            raise error
        return forward(self, batch)

    monkeypatch.setattr(MultiModel, "forward", limited)


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def name_of(config: RunConfig, row: int) -> str:
    speech = next(task for task in config.tasks if task.name == "speech")
    return str(speech.examples[TRAIN][row].id)
