"""A tiny model of all kinds of nets, and one batch for each of the paper's eight tasks and one more (waveform)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multimodel.batch import TENSORS, Batch, Net, Route
from multimodel.build import Sizes, build_model
from multimodel.model import MultiModel

SYMBOLS, COLOURS, BINS, CLASSES = 13, 3, 4, 5

SIZES = Sizes(
    width=16,
    heads=2,
    experts=5,
    experts_used=2,
    expert_width=12,
    dropout=0.0,
    image_channels=(4, 6, 8, 10),
    audio_channels=(6, 8, 10),
    audio_strided=2,
)

NETS = {
    "text": Net(kind="text", size=SYMBOLS),
    "image": Net(kind="image", size=COLOURS),
    "spectrogram": Net(kind="spectrogram", size=BINS),
    "waveform": Net(kind="waveform", size=1),
    "objects": Net(kind="category", size=CLASSES),
}

ROUTES = {
    "speech": Route(bottom="spectrogram", top="text", command="to-transcript"),
    "speech-raw": Route(bottom="waveform", top="text", command="to-transcript"),
    "imageclass": Route(bottom="image", top="objects", command="to-class"),
    "caption": Route(bottom="image", top="text", command="to-caption"),
    "parse": Route(bottom="text", top="text", command="to-parse-tree"),
    "en-de": Route(bottom="text", top="text", command="to-german"),
    "de-en": Route(bottom="text", top="text", command="to-english"),
    "en-fr": Route(bottom="text", top="text", command="to-french"),
    "fr-en": Route(bottom="text", top="text", command="to-english"),
}

COMMANDS = sorted({route.command for route in ROUTES.values()})


def model(sizes: Sizes = SIZES, **changes: object) -> MultiModel:
    """A model that no longer is where it started: gates prefer experts, norms and biases are not 1 and 0."""
    built = build_model(replace(sizes, **changes), NETS, COMMANDS)
    shaken(built)
    return built.eval()


def shaken(module: nn.Module) -> nn.Module:
    """Add noise to every parameter, so that none is at a value that hides what it does."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.1 if parameter.max() > parameter.min() else 0.5))
    return module


def symbols(batch: int, length: int) -> Tensor:
    """Sequences that end with 1; no padding."""
    drawn = torch.randint(2, SYMBOLS, (batch, length))
    drawn[:, -1] = 1
    return drawn


INPUTS: Mapping[str, Callable[[int], Tensor]] = {
    "text": lambda batch: symbols(batch, 9),
    "image": lambda batch: torch.rand(batch, 37, 20, COLOURS),
    "spectrogram": lambda batch: torch.rand(batch, 18, BINS),
    "waveform": lambda batch: torch.rand(batch, 50) * 2 - 1,
}


def batch(task: str, examples: int = 2, length: int = 7) -> Batch:
    """Random examples of one task, all of one size."""
    route = ROUTES[task]
    inputs = INPUTS[route.bottom](examples)
    targets = torch.randint(CLASSES, (examples, 1)) if route.top == "objects" else symbols(examples, length)
    return Batch(
        task=task,
        route=route,
        inputs=inputs,
        input_mask=torch.ones(inputs.shape[:3] if route.bottom == "image" else inputs.shape[:2], dtype=torch.bool),
        targets=targets,
        target_mask=torch.ones_like(targets, dtype=torch.bool),
    )


def part(whole: Batch, rows: slice) -> Batch:
    """Some of the examples."""
    return whole.each(lambda tensor: tensor[rows])


def padded(whole: Batch, inputs: tuple[int, ...] = (), targets: int = 0) -> Batch:
    """Padding appended to each input axis (text and sound have one, images two) and to the targets.

    What stands there is not 0, because nothing may read it.
    """
    channels = whole.inputs.dim() - whole.input_mask.dim()
    appended = [size for axis in reversed(inputs) for size in (0, axis)]
    junk = 3 if whole.inputs.dtype == torch.int64 else 0.7
    return replace(
        whole,
        inputs=F.pad(whole.inputs, [0, 0] * channels + appended, value=junk),
        input_mask=F.pad(whole.input_mask, appended),
        targets=F.pad(whole.targets, (0, targets), value=2),
        target_mask=F.pad(whole.target_mask, (0, targets)),
    )


def joined(first: Batch, second: Batch) -> Batch:
    """Two batches of one padded size as one."""
    return replace(first, **{name: torch.cat((getattr(first, name), getattr(second, name))) for name in TENSORS})
