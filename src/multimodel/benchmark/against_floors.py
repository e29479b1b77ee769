"""Every block of the body by itself against its floor and against its plain path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch

from multimodel.benchmark.blocks import (
    LENGTH,
    Block,
    Make,
    attention_block,
    conv_block,
    conv_step,
    experts,
    pointwise,
    text_loss,
)
from multimodel.benchmark.floors import Cost
from multimodel.benchmark.rates import measure_rates
from multimodel.benchmark.results import Case, Figure, Part, Row
from multimodel.benchmark.setting import Setting, plain, precision
from multimodel.benchmark.timing import Way, in_turn
from multimodel.parameters import parameters
from multimodel.presets import PRESETS, Preset
from multimodel.training.precision import arithmetic
from multimodel.training.trainer import make_optimiser

STEPS = ((3, 1), (5, 4), (15, 1), (15, 8))  # kernel and dilation


def passes(block: Block, preset: Preset, device: torch.device) -> dict[str, Way]:
    """Forward as in use; forward and backward, and where asked a step of Adam, as in training."""
    optimiser = make_optimiser(block.module, preset.training)
    products = partial(arithmetic, preset.training.precision, device)
    block.module.eval()
    with products():
        gradients = tuple(torch.randn_like(output) for output in block.call())

    def forward() -> None:
        block.module.eval()
        with torch.no_grad(), products():
            block.call()

    def training() -> None:
        block.module.train()
        for tensor in (*block.module.parameters(), *block.inputs):
            tensor.grad = None
        with products():
            outputs = block.call()
        torch.autograd.backward(outputs, gradients)

    def optimised() -> None:
        training()
        optimiser.step()

    ways: dict[str, Way] = {"forward": forward, "forward + backward": training}
    return {**ways, "forward + backward + Adam": optimised} if block.optimised else ways


def costs(block: Block, size: int) -> Mapping[str, Cost]:
    """What each pass needs, `size` bytes a number."""
    return {
        "forward": block.work.forward(size),
        "forward + backward": block.work.training(size),
        "forward + backward + Adam": block.work.optimised(size, parameters(block.module)),
    }


def measure(setting: Setting, preset: Preset, name: str, make: Make, beside: Make | None) -> Iterator[Row]:
    """A row for each pass of a block."""
    dtype, device = precision(preset, setting.device), setting.device
    rates, block = measure_rates(setting, dtype), make(preset, device)
    alone = passes(beside(preset, device), preset, device) if beside else {}
    for step, way in passes(block, preset, device).items():
        ways = {"ours": way, "plain": plain(way)} | ({"pointwise": alone[step]} if beside else {})
        times = in_turn(ways, setting.rounds, device)
        floor = costs(block, dtype.itemsize)[step].floor(rates)
        figures: dict[str, Figure] = {
            "ms": times.milliseconds("ours"),
            "floor, ms": 1e3 * floor,
            "× floor": times.multiple("ours", floor),
            "plain ÷ ours": times.ratio("plain", "ours"),
        }
        yield Row(f"{name}, {step}", figures | ({"× pointwise": times.ratio("ours", "pointwise")} if beside else {}))


def cases(setting: Setting) -> list[Case]:
    """All blocks at all sizes."""
    made: dict[str, tuple[Make, Make | None]] = {}
    for kernel, dilation in STEPS:
        for causal, kind in ((False, "centred"), (True, "causal")):
            made[f"ConvStep {kernel}, {dilation} {kind}"] = (partial(conv_step, kernel, dilation, causal), pointwise)
    made["ConvBlock centred"] = (partial(conv_block, False), None)
    made["ConvBlock causal"] = (partial(conv_block, True), None)
    made["AttentionBlock"] = (attention_block, None)
    for count in setting.scale.experts:
        for positions in setting.scale.positions:
            made[f"{count} experts, {positions:,} positions"] = (partial(experts, count, positions), None)
    made["text top and loss"] = (text_loss, None)
    return [
        Case(name, partial(measure, setting, PRESETS[preset], name, *pair))
        for preset in setting.scale.block_presets
        for name, pair in ((f"{preset}: {name}", pair) for name, pair in made.items())
    ]


PART = Part(
    title="Blocks of the body against their floors",
    about=f"Random inputs, {LENGTH} positions a sequence, as many sequences as fill the preset's batch, in the "
    "preset's precision. The floor is arithmetic ÷ matmul rate or bytes ÷ copy rate, whichever is more, as if all "
    "numbers were stored in that precision; × floor is how far above it we are. plain ÷ ours is time without the fast "
    "paths over time with them; × pointwise is time over that of the ConvStep's matrix product alone.",
    drawn="× floor",
    cases=cases,
)
