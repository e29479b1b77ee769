"""Small tasks whose data is given in Python, and a run on them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import coloured

import multimodel
from multimodel import Category, Declaration, Image, Text
from multimodel.evaluation.evaluate import EvaluationSettings
from multimodel.presets import PRESETS
from multimodel.tasks.batching import collate
from multimodel.tasks.encoded import encode_examples
from multimodel.training import checkpoint

FEW = EvaluationSettings(examples=4, decode=2)
PRESET = dataclasses.replace(
    PRESETS["tiny"],
    data=dataclasses.replace(PRESETS["tiny"].data, vocabulary=300, caption_side=16),
    training=dataclasses.replace(PRESETS["tiny"].training, steps=3, checkpoint_steps=2),
)


def rows(count: int = 60) -> list[dict[str, str]]:
    return [{"text": f"number {number}", "even": "yes" if number % 2 == 0 else "no"} for number in range(count)]


def parity(name: str = "parity") -> Declaration:
    return Declaration(name=name, data=rows(), input=Text("text"), output=Category("even"), held_out=0.2)


def spelling() -> Declaration:
    words = [{"word": f"w{number}", "spelled": " ".join(f"w{number}")} for number in range(60)]
    return Declaration(name="spelling", data=words, input=Text("word"), output=Text("spelled"), held_out=0.2)


def colours() -> Declaration:
    pictures = [{"picture": raw, "colour": colour} for raw, colour in coloured()]
    return Declaration(name="colours", data=pictures, input=Image("picture"), output=Category("colour"), held_out=0.2)


def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two of them."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
        multimodel.train([parity(), spelling()], folder, preset=PRESET)
    return folder


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read_weights(checkpoint.latest(run))


def logits(run: Path, declared: Declaration) -> torch.Tensor:
    """Of the first test examples."""
    known = multimodel.load(run)
    config = checkpoint.load_config(checkpoint.latest(run))
    task = dataclasses.replace(
        known.task(declared.name), examples=multimodel.runs.with_data(config, [declared])[0].examples
    )
    encoded = encode_examples(task, "test")
    with torch.no_grad():
        return known.model(collate(task, encoded, np.arange(min(4, len(encoded))))).logits
