"""What a modality net offers: raw data to the shared representation, and back (paper, section 2.5).

A net that can be an input implements `Bottom`; one that can be an output implements `Top`; text is both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Int, Num
from torch import Tensor


class Representation(NamedTuple):
    """The shared, variable-size form of any input, padded at its end.

    `plane` remembers the plane that the sequence was read from, row by row: which of its cells are real.
    """

    x: Float[Tensor, "b s d"]
    mask: Bool[Tensor, "b s"]
    plane: Bool[Tensor, "b h w"]


class Bottom(ABC):
    """Reads raw data."""

    @abstractmethod
    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Raw data and its mask to the shared representation, zero at padding."""


class Top(ABC):
    """Writes symbols or a class; `autoregressive` tells which: step by step from the decoder, or from the encoder."""

    autoregressive: bool

    @abstractmethod
    def embed(self, targets: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """Symbols already written, as the decoder reads them; only asked of an autoregressive net."""

    @abstractmethod
    def top(self, body: Representation) -> Float[Tensor, "b t v"]:
        """Logits over the symbols or classes, (b, 1, classes) where the answer is one class."""
