"""`multimodel presets`: sizes and parameter counts, counted on models without memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import tyro
from rich.console import Console
from rich.table import Table

from multimodel.batch import Net
from multimodel.build import build_model
from multimodel.model import MultiModel
from multimodel.parameters import active_parameters, parameters
from multimodel.presets import PRESETS, Preset

COMMANDS = ("to-transcript", "to-class", "to-caption", "to-parse-tree", "to-german", "to-english", "to-french")


@dataclass(frozen=True)
class Presets:
    """Print each preset's sizes and parameter counts."""


def main(arguments: Sequence[str]) -> None:
    """Parse and print the table."""
    tyro.cli(Presets, args=arguments, prog="multimodel presets")
    table = Table(title="Presets, with the nets of the eight tasks")
    for column in ("preset", "width", "experts", "used", "parameters", "active per symbol"):
        table.add_column(column, justify="left" if column == "preset" else "right")
    for name, preset in PRESETS.items():
        model = meta_model(preset)
        sizes = preset.model
        table.add_row(
            name,
            str(sizes.width),
            str(sizes.experts),
            str(sizes.experts_used),
            f"{parameters(model):,}",
            f"{active_parameters(model, sizes.experts_used):,}",
        )
    Console().print(table)


def meta_model(preset: Preset) -> MultiModel:
    """The preset's model for the eight tasks, without memory for its weights."""
    nets = {
        "text": Net(kind="text", size=preset.data.vocabulary),
        "image": Net(kind="image", size=3),
        "speech": Net(kind="spectrogram", size=preset.data.frequency_bins),
        "fashion": Net(kind="category", size=10),
    }
    with torch.device("meta"):
        return build_model(preset.model, nets, COMMANDS)
