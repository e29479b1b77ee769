"""Greedy and beam search at several batch sizes and lengths."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn

from multimodel import decoding
from multimodel.batch import Batch
from multimodel.benchmark.models import text_batch, text_model
from multimodel.benchmark.results import Case, Figure, Part, Row
from multimodel.benchmark.setting import Setting, plain
from multimodel.benchmark.timing import Spread, Way, in_turn, quotient
from multimodel.build import MODALITIES
from multimodel.decoding import END, Hypotheses
from multimodel.modalities.modality import Bottom, Representation, Top
from multimodel.modalities.text import Text
from multimodel.model import MultiModel
from multimodel.presets import Preset

SOURCE = 32  # symbols that are read
BEAMS = 4


class EndlessText(nn.Module, Bottom, Top):
    """A text net that never writes the end: an untrained model stops anywhere, and each run must write as much."""

    autoregressive = True

    def __init__(self, text: Text) -> None:
        super().__init__()
        self.text = text

    def embed(self, targets: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """As the text net."""
        return self.text.embed(targets, mask)

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """As the text net."""
        return self.text.bottom(inputs, mask)

    def top(self, body: Representation) -> Float[Tensor, "b t v"]:
        """The text net's logits, the end's −∞."""
        logits = self.text.top(body)
        logits[..., END] = -torch.inf
        return logits


def endless_model(preset: Preset, device: torch.device) -> MultiModel:
    """The preset's text model, for decoding only."""
    endless = {**MODALITIES, "text": lambda sizes, size: EndlessText(Text(size, sizes.width))}
    return text_model(preset, endless).to(device).eval()


@torch.no_grad()
def write(model: MultiModel, batch: Batch, beams: int, length: int) -> Hypotheses:
    """Exactly `length` symbols for each example, whatever limits decoding has."""

    limits = torch.full((len(batch), 1), length, device=batch.inputs.device)
    return decoding.search(model, batch.route, model.encode(batch), beams, limits)


def measure(setting: Setting, examples: int) -> list[Row]:
    """One batch size at all lengths, so that their costs are compared in turn."""
    preset, device, lengths = setting.whole, setting.device, setting.scale.lengths
    model, batch = endless_model(preset, device), text_batch(preset, examples, SOURCE, device)
    blind = endless_model(replace(preset, model=replace(preset.model, self_attention="none")), device)
    ways: dict[str, Way] = {}
    for length in (1, *lengths):  # of one symbol: encoding, and what a search begins with
        ways[f"greedy {length}"] = partial(write, model, batch, 1, length)
        ways[f"blind {length}"] = partial(write, blind, batch, 1, length)
    for length in lengths:
        ways[f"beam {length}"] = partial(write, model, batch, BEAMS, length)
    shortest = lengths[0]
    ways["plain"] = plain(ways[f"greedy {shortest}"])  # longer answers would take most of an hour
    times = in_turn(ways, setting.rounds, device)

    def cost(kind: str, length: int) -> Spread:
        """Of a symbol after the first over that in the shortest answers."""
        some, fewest = (times.difference(f"{kind} {count}", f"{kind} 1") for count in (length, shortest))
        return quotient(some, fewest, (shortest - 1) / (length - 1))

    def figures(length: int) -> dict[str, Figure]:
        greedy, beam = f"greedy {length}", f"beam {length}"
        return {
            "greedy, symbols/s": times.speed(greedy, examples * length),
            f"beam {BEAMS}, symbols/s": times.speed(beam, examples * length),
            "× cost of a symbol": cost("greedy", length),
            "without self-attention": cost("blind", length),
            f"beam {BEAMS} ÷ greedy": times.ratio(beam, greedy),
            **({"plain ÷ ours": times.ratio("plain", greedy)} if length == shortest else {}),
        }

    return [Row(f"batch {examples}, {length} symbols", figures(length)) for length in lengths]


def cases(setting: Setting) -> list[Case]:
    """All batch sizes."""
    return [Case(f"batch {examples}", partial(measure, setting, examples)) for examples in setting.scale.batches]


PART = Part(
    title="Decoding",
    about=f"From {SOURCE} random symbols to exactly as many as said, in float32 as `multimodel predict` does, "
    "encoding included. Symbols are those of the answers, one answer an example. × cost of a symbol is greedy time for "
    "each symbol after the first over that in the shortest answers: 1 is constant work, and self-attention is what may "
    f"grow; beside it the same for a model without. beam {BEAMS} ÷ greedy is time over time, plain ÷ ours, of "
    "the shortest answers, time of greedy search without the fast paths over time with them.",
    drawn="× cost of a symbol",
    cases=cases,
)
