"""The same training step and the same decoding, by us and by a Transformer of equal size."""

from __future__ import annotations

from functools import partial

from multimodel.benchmark.decoding import SOURCE, endless_model, write
from multimodel.benchmark.models import text_batch, text_trainer, training_steps
from multimodel.benchmark.results import Case, Figure, Part, Row
from multimodel.benchmark.setting import Setting
from multimodel.benchmark.timing import Times, Way, in_turn
from multimodel.benchmark.transformer import active, transformer, transformer_steps, transformer_write
from multimodel.parameters import active_parameters

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


def train(setting: Setting) -> list[Row]:
    """A step on one batch."""
    preset, device = setting.whole, setting.device
    other, trainer = transformer(preset, device), text_trainer(preset, device)
    batch = text_batch(preset, *setting.scale.text, device)
    times = compared(setting, training_steps(trainer, [batch]), transformer_steps(other, preset, batch))
    size = active_parameters(trainer.model, preset.model.experts_used) / active(other)
    return [row(f"training, {len(batch)} × {setting.scale.text[1]} symbols", times, batch.symbols, size)]


def decode(setting: Setting, examples: int, length: int) -> list[Row]:
    """Greedy, both from their memories."""
    preset, device = setting.whole, setting.device
    other, model = transformer(preset, device).eval(), endless_model(preset, device)
    batch = text_batch(preset, examples, SOURCE, device)
    ours, theirs = partial(write, model, batch, 1, length), partial(transformer_write, other, batch, length)
    size = active_parameters(model, preset.model.experts_used) / active(other)
    name = f"decoding, batch {examples}, {length} symbols"
    return [row(name, compared(setting, ours, theirs), examples * length, size)]


def cases(setting: Setting) -> list[Case]:
    """Training, then decoding at all batch sizes and all lengths but the longest."""
    decoded = [(examples, length) for examples in BATCHES for length in setting.scale.lengths[:-1]]
    return [
        Case("training", partial(train, setting)),
        *(Case(f"decoding, batch {pair[0]}, {pair[1]} symbols", partial(decode, setting, *pair)) for pair in decoded),
    ]


PART = Part(
    title="Beside a Transformer",
    about="`transformers`' Marian with random weights, as wide, one layer for each of our ConvBlocks (6 in the "
    "encoder, 6 in the decoder), feed-forward layers as wide as make the active parameters equal; the same random "
    "text, precision, loss and optimiser. Decoding is greedy, in float32, each from its cache. ours ÷ Transformer is "
    "speed over speed: above 1 we are faster.",
    drawn="ours ÷ Transformer",
    cases=cases,
)
