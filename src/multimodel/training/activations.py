"""What a batch costs by its shape alone: bytes kept for the backward pass, rows for experts, bytes of its examples.

The plain path runs on fake tensors, which have shapes and no memory; so the sizes are those of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from multimodel.batch import Batch, Route
from multimodel.layers.paths import plain_paths
from multimodel.layers.timing import timing_table
from multimodel.model import MultiModel
from multimodel.tasks.audio import Spectrogram
from multimodel.tasks.image import CHANNELS, Image
from multimodel.tasks.settings import DataSettings
from multimodel.training.gradients import summed_loss
from multimodel.training.settings import TrainingSettings

SYMBOL_BYTES = 4  # as examples are kept
ATEN = torch.ops.aten


class Shape(NamedTuple):
    """An encoded input: its axes, its type, and how many positions it is counted as when batches are made."""

    axes: tuple[int, ...]
    dtype: type[np.generic]
    cost: int


class Longest(NamedTuple):
    """The longest example that a task may have, and the symbols of its target."""

    route: Route
    input: Shape
    symbols: int

    @property
    def bytes(self) -> int:
        """Of the example as it is kept, input and target."""
        return math.prod(self.input.axes) * np.dtype(self.input.dtype).itemsize + self.symbols * SYMBOL_BYTES

    def examples(self, settings: TrainingSettings) -> int:
        """How many of them make a batch."""
        return min(settings.batch_examples, max(1, settings.batch_cost // (self.input.cost + self.symbols)))

    def batch(self, examples: int) -> Batch:
        """A batch of nothing but such examples, all zeros."""
        symbols = len(self.input.axes) == 1
        inputs = torch.zeros(examples, *self.input.axes, dtype=torch.long if symbols else torch.float32)
        real = inputs if symbols else inputs[..., 0]
        targets = torch.zeros(examples, self.symbols, dtype=torch.long)
        return Batch(
            task="",
            route=self.route,
            inputs=inputs,
            input_mask=torch.ones_like(real, dtype=torch.bool),
            targets=targets,
            target_mask=torch.ones_like(targets, dtype=torch.bool),
        )


def longest(data: DataSettings) -> dict[str, Longest]:
    """The longest example of each of the paper's tasks, whose four translations are one here; pictures in colour."""
    text, tree = data.max_symbols, data.max_tree_symbols
    sentence = Shape((text,), np.int32, text)
    sound, photo, caption = spectrogram(data), picture(data.class_side), picture(data.caption_side)
    return {
        "speech": Longest(Route(bottom="speech", top="text", command="to-transcript"), sound, text),
        "imageclass": Longest(Route(bottom="image", top="fashion", command="to-class"), photo, 1),
        "caption": Longest(Route(bottom="image", top="text", command="to-caption"), caption, text),
        "parse": Longest(Route(bottom="text", top="text", command="to-parse-tree"), sentence, tree),
        "translation": Longest(Route(bottom="text", top="text", command="to-german"), sentence, text),
    }


def spectrogram(data: DataSettings) -> Shape:
    """A recording of the longest duration."""
    feature = Spectrogram(sample_rate=data.sample_rate, bins=data.frequency_bins, max_seconds=data.max_seconds)
    frames = int(data.max_seconds * data.sample_rate / feature.hop) + 1
    return Shape((frames, feature.bins), np.float16, feature.cost(np.empty((frames, 0))))


def picture(side: int) -> Shape:
    """A square in colour."""
    return Shape((side, side, CHANNELS), np.uint8, Image(height=side, width=side).cost(np.empty(0)))


@contextmanager
def kept_bytes(model: nn.Module) -> Iterator[Callable[[], int]]:
    """What autograd keeps within this block, each storage once and no weights: a call tells the bytes so far.

    Nothing is handed to the backward pass, which therefore cannot be run.
    """
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # alive, so that no address is given twice

    def keep(value: Tensor) -> None:
        storage = value.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage

    with saved_tensors_hooks(keep, lambda nothing: nothing):
        yield lambda: sum(storage.nbytes() for storage in kept.values())


class Answers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers the two questions about values that a mixture asks: every position is real, one expert gets all rows.

    The bytes are the same however rows are divided. `rows` are those of each mixture: its positions times k.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows: list[int] = []
        self.sizes: Iterator[int] = iter(())

    def __torch_dispatch__(
        self, operator: Any, types: Sequence[type], given: tuple[Any, ...] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        if operator is ATEN.nonzero.default:
            return torch.empty(given[0].numel(), given[0].dim(), dtype=torch.long)
        if operator is ATEN.bincount.default:
            chosen, _, experts = given
            self.rows.append(chosen.numel())
            self.sizes = iter((chosen.numel(), *[0] * (experts - 1)))
            return torch.empty(experts, dtype=torch.long)
        if operator is ATEN._local_scalar_dense.default:
            return next(self.sizes)
        return operator(*given, **named or {})


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a batch keeps for the backward pass, in bytes, and the rows that each mixture of experts gets."""

    kept: int
    rows: tuple[int, ...]


@contextmanager
def without_memory() -> Iterator[None]:
    """Within this block tensors are made without memory, as if on a CPU, and layers take their plain paths."""
    timing_table.cache_clear()  # what it keeps is either real or not
    try:
        with FakeTensorMode(), plain_paths():
            yield
    finally:
        timing_table.cache_clear()


def work(model: MultiModel, batch: Batch, settings: TrainingSettings) -> Work:
    """The forward pass and the loss of a batch; both model and batch are made within `without_memory`."""
    with kept_bytes(model) as kept, Answers() as answers:
        loss(model, batch, settings.label_smoothing)
        return Work(kept=kept(), rows=tuple(answers.rows))


def loss(model: MultiModel, batch: Batch, smoothing: float) -> Tensor:
    """What a step descends, of real targets."""
    output = model(batch)
    return summed_loss(output.logits, batch, smoothing) + output.balance
