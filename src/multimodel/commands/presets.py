"""`multimodel presets`: sizes and parameter counts; with `--devices` memory and traffic; on models without memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import tyro
from rich.table import Table

from multimodel.batch import Net
from multimodel.build import build_model
from multimodel.commands.console import table_console
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.parameters import active_parameters, parameters
from multimodel.presets import PRESETS, Preset
from multimodel.runs import named_preset
from multimodel.training.activations import Longest, Work, longest, without_memory, work
from multimodel.training.memory import WAYS, checkpoint_bytes, moved_by_expert, moved_replicated, moved_sharded

COMMANDS = ("to-transcript", "to-class", "to-caption", "to-parse-tree", "to-german", "to-english", "to-french")
STATE = ("weights", "gradients", "moments", "copies", "working")


@dataclass(frozen=True, kw_only=True)
class Presets:
    """Print each preset's sizes and parameter counts; with --devices what one preset takes on so many devices."""

    devices: tuple[int, ...] = ()
    """Numbers of devices, such as 1 2 8 64: prints the memory of one and what a step sends, by calculation."""
    preset: str = "paper"
    """The preset that --devices is about."""


@dataclass(frozen=True, kw_only=True)
class Largest:
    """A task's batch of nothing but longest examples."""

    example: Longest
    examples: int
    work: Work

    def share(self, devices: int) -> int:
        """Most examples on a device when devices share the batch."""
        return -(-self.examples // devices)

    def kept(self, devices: int) -> int:
        """Bytes that a device keeps of its share for the backward pass."""
        return self.work.kept * self.share(devices) // self.examples

    def rows(self, devices: int) -> int:
        """Rows of a device's share that go to experts, in all mixtures."""
        return sum(self.work.rows) * self.share(devices) // self.examples


def main(arguments: Sequence[str]) -> None:
    """Parse and print the tables."""
    command = tyro.cli(Presets, args=arguments, prog="multimodel presets")
    named_preset(command.preset)
    if min(command.devices, default=1) < 1:
        raise InputError("The numbers of --devices must be above 0.")
    console = table_console()
    for table in scale_tables(command.preset, command.devices) if command.devices else [sizes_table()]:
        console.print(table)


def gigabytes(count: int) -> str:
    """So many bytes, in 10⁹, to three digits."""
    return f"{count / 1e9:.3g}"


def right_aligned(title: str, first: Sequence[str], *more: str) -> Table:
    """A table whose `first` columns are words and the others numbers."""
    table = Table(title=title)
    for column in (*first, *more):
        table.add_column(column, justify="left" if column in first else "right")
    return table


def sizes_table() -> Table:
    """A row for each preset."""
    columns = ("width", "experts", "used", "parameters", "active per symbol")
    table = right_aligned("Presets, with the nets of the eight tasks", ["preset"], *columns)
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
    return table


def scale_tables(name: str, devices: Sequence[int]) -> Iterator[Table]:
    """Memory of a device, what it sends in a step, and the batches that both are for."""
    preset = PRESETS[name]
    model, batches = meta_model(preset), largest_batches(preset)
    yield memory_table(name, model, batches, devices)
    yield moved_table(name, model, batches, devices)
    yield batches_table(name, model, batches)


def largest_batches(preset: Preset) -> dict[str, Largest]:
    """The largest batch of each task."""
    found = {}
    with without_memory():
        model = eight_tasks(preset)
        for task, example in longest(preset.data).items():
            examples = example.examples(preset.training)
            done = work(model, example.batch(examples), preset.training)
            found[task] = Largest(example=example, examples=examples, work=done)
    return found


def memory_table(name: str, model: MultiModel, batches: Mapping[str, Largest], devices: Sequence[int]) -> Table:
    """A row for each number of devices and way of dividing the model."""
    table = right_aligned(f"{name}: GB on one device", ["devices", "way"], *STATE, "batch", "sum")
    for count in devices:
        kept = max(batch.kept(count) for batch in batches.values())
        for way, memory in WAYS.items():
            held = memory(model, count, PRESETS[name].training.precision)
            table.add_row(
                f"{count:,}",
                way,
                *(gigabytes(getattr(held, part)) for part in STATE),
                gigabytes(kept),
                gigabytes(held.total + kept),
            )
    return table


def moved_table(name: str, model: MultiModel, batches: Mapping[str, Largest], devices: Sequence[int]) -> Table:
    """A row for each number of devices; of the tasks the one that sends most."""
    table = right_aligned(f"{name}: GB that one device sends in a step", ["devices"], *WAYS)
    for count in devices:
        table.add_row(
            f"{count:,}",
            gigabytes(moved_replicated(model, count)),
            gigabytes(max(moved_sharded(model, batch.example.route, count) for batch in batches.values())),
            gigabytes(max(moved_by_expert(model, batch.rows(count), count) for batch in batches.values())),
        )
    return table


def batches_table(name: str, model: MultiModel, batches: Mapping[str, Largest]) -> Table:
    """A row for each task: its batch of nothing but longest examples."""
    columns = ("examples", "rows for experts", "batch, GB", "bytes an example", "bytes a symbol")
    title = f"{name}: largest batches; a checkpoint has {gigabytes(checkpoint_bytes(model))} GB"
    table = right_aligned(title, ["task"], *columns)
    for task, batch in batches.items():
        size = batch.example.bytes
        table.add_row(
            task,
            f"{batch.examples:,}",
            f"{batch.rows(1):,}",
            gigabytes(batch.kept(1)),
            f"{size:,}",
            f"{size / batch.example.symbols:,.0f}",
        )
    return table


def meta_model(preset: Preset) -> MultiModel:
    """The preset's model for the eight tasks, without memory for its weights."""
    with torch.device("meta"):
        return eight_tasks(preset)


def eight_tasks(preset: Preset) -> MultiModel:
    """The preset's model for the eight tasks."""
    nets = {
        "text": Net(kind="text", size=preset.data.vocabulary),
        "image": Net(kind="image", size=3),
        "speech": Net(kind="spectrogram", size=preset.data.frequency_bins),
        "fashion": Net(kind="category", size=10),
    }
    return build_model(preset.model, nets, COMMANDS)
