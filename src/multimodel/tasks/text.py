"""Text as the ids of subwords, ended by one end symbol (paper, section 2.5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.tasks.cells import check_length
from multimodel.tasks.padding import pad
from multimodel.tasks.vocabulary import END, Vocabulary

CHUNK = 1024
LETTERS = 2**22  # encoded at a time: each takes some 50 bytes until it is an id


def ended(ids: Sequence[int]) -> np.ndarray:
    """The ids with the end symbol after them, int32."""
    return np.array([*ids, END], dtype=np.int32)


def until_end(symbols: Sequence[int]) -> list[int]:
    """What stands before the first end symbol."""
    return list(takewhile(lambda symbol: symbol != END, map(int, symbols)))


def collate_symbols(arrays: Sequence[np.ndarray]) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
    """Padded symbols, 0 where the mask is False."""
    return pad(arrays, axes=1, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Text:
    """Text of at most `max_length` symbols, the end symbol included. Raw: `str`."""

    vocabulary: Vocabulary
    max_length: int
    net: str = "text"

    @property
    def spec(self) -> Net:
        """A text net over the whole vocabulary."""
        return Net(kind="text", size=self.vocabulary.size)

    @property
    def version(self) -> str:
        """The vocabulary."""
        return self.vocabulary.sha256

    def encode(self, raw: str) -> np.ndarray:
        """Ids (t,) int32, the last one the end symbol."""
        return ended(self.vocabulary.encode(raw))

    def encode_many(self, raws: Sequence[str]) -> Iterator[np.ndarray]:
        """`encode` for each, many at a time."""
        for chunk in _chunks(raws):
            yield from map(ended, self.vocabulary.encode_many(chunk))

    def fits(self, array: np.ndarray) -> bool:
        """Whether the text is no longer than the limit."""
        return len(array) <= self.max_length

    def cost(self, array: np.ndarray) -> int:
        """One position per symbol."""
        return len(array)

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
        """Symbols (b, t) and their mask."""
        return collate_symbols(arrays)

    def decode(self, symbols: Sequence[int]) -> str:
        """The text before the end symbol."""
        return self.vocabulary.decode(until_end(symbols))

    def read(self, value: str) -> str:
        """The text itself; raises `InputError` if it is empty, too long or not Unicode."""
        if not value.strip():
            raise InputError("The text is empty: give at least one word.")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InputError("The text is not valid Unicode: give it as UTF-8.")
        check_length(value)
        length = len(self.encode(value))
        if length > self.max_length:
            raise InputError(
                f"The text has {length} symbols and the limit is {self.max_length}: give it in shorter parts."
            )
        return value

    def to_json(self) -> dict[str, Any]:
        """All but the vocabulary, which a run keeps once."""
        return {"kind": "text", "max_length": self.max_length, "net": self.net}


def _chunks(raws: Sequence[str]) -> Iterator[Sequence[str]]:
    """Not too many texts at a time, and not too long ones."""
    start = letters = 0
    for place, raw in enumerate(raws):
        if place - start == CHUNK or (place > start and letters + len(raw) > LETTERS):
            yield raws[start:place]
            start, letters = place, 0
        letters += len(raw)
    yield raws[start:]
