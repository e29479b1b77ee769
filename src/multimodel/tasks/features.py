"""What a task reads or writes: the one interface of all kinds of data, and the table of the kinds there are.

A feature turns raw data into compact arrays (`encode`), arrays into padded tensors as `Batch` wants them (`collate`),
symbols back into something to show (`decode`), and what a user gives on the command line into raw data (`read`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped
from torch import Tensor

from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.tasks.audio import Spectrogram, Waveform
from multimodel.tasks.category import Category
from multimodel.tasks.image import Image
from multimodel.tasks.text import Text
from multimodel.tasks.tree import Tree
from multimodel.tasks.vocabulary import Vocabulary


@runtime_checkable
class Feature(Protocol):
    """One side of a task, its input or its output."""

    @property
    def net(self) -> str:
        """Name of the modality net in the model; features of one name share one net."""

    @property
    def spec(self) -> Net:
        """What that net must know."""

    @property
    def version(self) -> str:
        """Words for all that `encode` depends on besides the settings in `to_json`."""

    def encode(self, raw: Any) -> np.ndarray:
        """The compact array of one raw value; raises `InputError` if the value is damaged."""

    def encode_many(self, raws: Sequence[Any]) -> Iterator[np.ndarray]:
        """The arrays of many raw values, in order, as fast as possible."""

    def fits(self, array: np.ndarray) -> bool:
        """Whether the array is within the feature's longest length."""

    def cost(self, array: np.ndarray) -> int:
        """About how many positions of the model's body it fills; grows with the array's length."""

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Shaped[Tensor, "b ..."], Bool[Tensor, "b ..."]]:
        """Padded values in the form that `Batch` describes, and the mask of the real ones."""

    def decode(self, symbols: Sequence[int]) -> Any:
        """What the symbols before the end symbol say; any symbols give something."""

    def read(self, value: str) -> Any:
        """Raw data from what a user gives: the text itself, or the path of a file; raises `InputError`."""

    def to_json(self) -> dict[str, Any]:
        """All settings, with the `kind`; the vocabulary is kept apart."""


FEATURES: dict[str, Callable[[dict[str, Any], Vocabulary], Feature]] = {
    "text": lambda values, vocabulary: Text(vocabulary=vocabulary, **values),
    "tree": lambda values, vocabulary: Tree(vocabulary=vocabulary, **values),
    "image": lambda values, vocabulary: Image(**values),
    "spectrogram": lambda values, vocabulary: Spectrogram(**values),
    "waveform": lambda values, vocabulary: Waveform(**values),
    "category": lambda values, vocabulary: Category(**{**values, "names": tuple(values["names"])}),
}


def feature_from_json(
    values: dict[str, Any],
    vocabulary: Vocabulary,
    features: Mapping[str, Callable[[dict[str, Any], Vocabulary], Feature]] = FEATURES,
) -> Feature:
    """The feature that `to_json` wrote; raises `InputError` for an unknown kind or wrong fields."""
    fields = dict(values)
    kind = fields.pop("kind", None)
    if kind not in features:
        raise InputError(f"There is no feature of kind {kind!r}: choose from {', '.join(features)}.")
    try:
        return features[kind](fields, vocabulary)
    except (TypeError, KeyError) as error:
        raise InputError(f"The settings of this {kind} feature are wrong: {error}.") from error
