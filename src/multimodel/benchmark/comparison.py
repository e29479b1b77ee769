"""The same training step and the same decoding, by us and by a Transformer of equal size."""

from __future__ import annotations

from functools import partial

import torch

from multimodel.benchmark.decoding import SOURCE, endless_model, write
from multimodel.benchmark.floors import product_operations
from multimodel.benchmark.models import text_batch, text_trainer, training_steps
from multimodel.benchmark.rates import measure_rates
from multimodel.benchmark.results import Case, Figure, Part, Row
from multimodel.benchmark.setting import Setting, precision
from multimodel.benchmark.timing import Times, Way, in_turn
from multimodel.benchmark.transformer import active, transformer, transformer_steps, transformer_write
from multimodel.parameters import active_parameters
from multimodel.presets import PRESETS

BATCHES = (1, 16)


def compared(setting: Setting, ours: Way, theirs: Way) -> Times:
    """Both in turn."""
    return in_turn({"ours": ours, "Transformer": theirs}, setting.rounds, setting.device)


def row(name: str, times: Times, symbols: int, size: float) -> Row:
    """Speeds, their ratio, and how the sizes compare."""
    figures: dict[str, Figure] = {
        "ours, symbols/s": times.speed("ours", symbols),
        "Transformer, symbols/s": times.speed("Transformer", symbols),
        "ours ÷ Transformer": times.ratio("Transformer", "ours"),
        "active parameters, ours ÷ Transformer": size,
    }
    return Row(name, figures)


def train(setting: Setting, name: str) -> list[Row]:
    """A step on one batch, in the preset's precision; the Transformer in that or in float32, whichever is faster."""
    preset, device = PRESETS[name], setting.device
    dtype = precision(preset, device)
    rates = measure_rates(setting, dtype)
    other, trainer = transformer(preset, device), text_trainer(preset, device)
    batch = text_batch(preset, *setting.scale.text, device)
    step = training_steps(trainer, [batch])
    theirs = {each: transformer_steps(other, preset, batch, each) for each in (torch.float32, dtype)}
    timed = in_turn({"ours": step, **{str(each): way for each, way in theirs.items()}}, setting.rounds, device)
    fastest = min(theirs, key=lambda each: timed.milliseconds(str(each)).median)
    times = Times({"ours": timed.seconds["ours"], "Transformer": timed.seconds[str(fastest)]})
    size = active_parameters(trainer.model, preset.model.experts_used) / active(other)
    found = row(f"{name}: training, {len(batch)} × {setting.scale.text[1]} symbols", times, batch.symbols, size)
    floor = times.multiple("ours", product_operations(step) / rates.matmul)
    return [Row(found.name, {**found.figures, "ours × matmul floor": floor})]


def decode(setting: Setting, examples: int, length: int) -> list[Row]:
    """Greedy, both from their memories."""
    preset, device = setting.whole, setting.device
    other, model = transformer(preset, device).eval(), endless_model(preset, device)
    batch = text_batch(preset, examples, SOURCE, device)
    ours, theirs = partial(write, model, batch, 1, length), partial(transformer_write, other, batch, length)
    size = active_parameters(model, preset.model.experts_used) / active(other)
    name = f"{setting.preset}: decoding, batch {examples}, {length} symbols"
    return [row(name, compared(setting, ours, theirs), examples * length, size)]


def cases(setting: Setting) -> list[Case]:
    """Training of all sizes of blocks, then decoding at all batch sizes and all lengths but the longest."""
    decoded = [(examples, length) for examples in BATCHES for length in setting.scale.lengths[:-1]]
    return [
        *(Case(f"training {name}", partial(train, setting, name)) for name in setting.scale.block_presets),
        *(Case(f"decoding, batch {pair[0]}, {pair[1]} symbols", partial(decode, setting, *pair)) for pair in decoded),
    ]


PART = Part(
    title="Beside a Transformer",
    about="`transformers`' Marian with random weights, as wide, one layer for each of our ConvBlocks (6 in the "
    "encoder, 6 in the decoder), feed-forward layers as wide as make the active parameters equal; the same random "
    "text, loss and optimiser, and the same precision or float32, whichever makes it faster. Decoding is greedy, in "
    "float32, each from its cache. ours ÷ Transformer is speed over speed: above 1 we are faster. × matmul floor is "
    "time over that of the step's matrix products at the rate of a large one.",
    drawn="ours ÷ Transformer",
    cases=cases,
)
