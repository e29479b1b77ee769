"""Small runs on the toy tasks, in memory and as files of mini8: shared by the tests of training and of use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import torch
from rich.console import Console
from toy import COLOURS, toy_tasks

from multimodel.batch import Batch
from multimodel.build import Sizes
from multimodel.presets import PRESETS, Preset
from multimodel.tasks.mini8 import declarations
from multimodel.training.run_config import RunConfig, run_config
from multimodel.training.settings import TrainingSettings
from multimodel.training.train import make_streams, make_trainer
from multimodel.training.trainer import Trainer

SIZES = replace(PRESETS["tiny"].model, dropout=0.1)
TRAINING = TrainingSettings(steps=20, warm_up=5, batch_cost=512, batch_examples=4, learning_rate=5e-3)
CPU = torch.device("cpu")


def toy_config(names: Sequence[str] = (), sizes: Sizes = SIZES, **changes: Any) -> RunConfig:
    """A run on the toy tasks of these names, all without any; `changes` are training settings."""
    vocabulary, tasks = toy_tasks()
    chosen = [task for task in tasks if task.name in names or not names]
    preset = Preset(model=sizes, training=replace(TRAINING, **changes))
    return run_config(preset, "tiny", vocabulary, chosen)


def toy_trainer(config: RunConfig, resumed: Path | None = None) -> Trainer:
    return make_trainer(config, make_streams(config, Console(quiet=True)), resumed, CPU)


def first_batch(config: RunConfig, name: str) -> Batch:
    return make_streams(config, Console(quiet=True))[name].batch(0)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    """A copy of all weights."""
    return {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}


def write_mini8(folder: Path) -> Path:
    """The toy tasks in the files of mini8."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mini8.json").write_text(json.dumps({"classes": list(COLOURS)}))
    for declared, task in zip(declarations(folder), toy_tasks()[1], strict=True):
        rows = [
            {"id": example.id, declared.input.column: example.input}
            | {declared.output.column: wanted(task.name, example.output), "source": "toy", "split": split}
            for split, examples in task.examples.items()
            for example in examples
        ]
        parquet.write_table(arrow.Table.from_pylist(rows), folder / declared.data)
    return folder


def found_in(config: RunConfig, folder: Path) -> RunConfig:
    """The same run, its tasks declared to be those of mini8 in this folder."""
    origins = {declared.name: declared for declared in declarations(write_mini8(folder))}
    return replace(config, tasks=tuple(replace(task, origin=origins[task.name]) for task in config.tasks))


def wanted(task: str, output: str) -> str | int:
    return list(COLOURS).index(output) if task == "imageclass" else output
