"""`multimodel predict RUN TASK INPUT…`: answers to texts, or to image and audio files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import tyro
from tyro.conf import Positional

from multimodel.errors import InputError
from multimodel.layers.paths import plain_paths
from multimodel.prediction import Answer, load


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Ask a trained model one of its tasks."""

    run: Positional[Path]
    """Folder that `multimodel train … --out` wrote."""
    task: Positional[str]
    """Name of the task, for example en-de."""
    inputs: Positional[tuple[str, ...]]
    """Texts in quotes, or paths of image or audio files."""
    beams: int = 1
    """Beams of the search; 1 is greedy."""


def main(arguments: Sequence[str]) -> None:
    """Parse, load, answer."""
    command = tyro.cli(Predict, args=arguments, prog="multimodel predict")
    if not command.inputs:
        raise InputError("There is no input: give a text in quotes, or the path of an image or audio file.")
    model = load(command.run)
    alone = len(command.inputs) == 1  # one answer is written sooner than what writes many faster is loaded
    with plain_paths() if alone else nullcontext():
        for value in command.inputs:
            print(shown(model.answer(command.task, value, beams=command.beams)))


def shown(answer: Answer) -> str:
    """Text as it is; of classes the best five with their probabilities."""
    return ", ".join(f"{name} {chance:.0%}" for name, chance in answer.ranked[:5]) or answer.text
