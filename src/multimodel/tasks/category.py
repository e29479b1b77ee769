"""One of a fixed list of classes, written as a sequence of one symbol (paper, section 2.5.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.sources.wording import shown
from multimodel.tasks.padding import pad

SHOWN = 20  # names in a message


@dataclass(frozen=True, kw_only=True)
class Category:
    """A class by its name. Raw: the name, `str`; its symbol is its place in `names`. `given` ones are an input."""

    names: tuple[str, ...]
    net: str = "category"
    given: bool = False

    @property
    def spec(self) -> Net:
        """A net over these classes."""
        return Net(kind="category-input" if self.given else "category", size=len(self.names))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    @property
    def version(self) -> str:
        """Nothing."""
        return ""

    def encode(self, raw: str) -> np.ndarray:
        """The class (1,) int32; raises `InputError` for a name that is no class."""
        return np.array([self._numbers[self.read(raw)]], dtype=np.int32)

    def encode_many(self, raws: Sequence[str]) -> Iterator[np.ndarray]:
        """`encode` for each."""
        return map(self.encode, raws)

    def fits(self, array: np.ndarray) -> bool:
        """Always."""
        return True

    def cost(self, array: np.ndarray) -> int:
        """One position."""
        return 1

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Int[Tensor, "b 1"], Bool[Tensor, "b 1"]]:
        """Classes (b, 1) and a mask that is True everywhere: class 0 is a class, not padding."""
        return pad(arrays, axes=1, dtype=np.int64)

    def decode(self, symbols: Sequence[int]) -> str:
        """The name of the class, empty if the symbol is none."""
        known = len(symbols) > 0 and 0 <= symbols[0] < len(self.names)
        return self.names[symbols[0]] if known else ""

    def read(self, value: str) -> str:
        """The name itself; raises `InputError` if it is no class."""
        if value not in self._numbers:
            more = f" … ({len(self.names):,} in all)" if len(self.names) > SHOWN else ""
            raise InputError(f"{shown(value)} is no class here: choose from {', '.join(self.names[:SHOWN])}{more}.")
        return value

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return {"kind": "category", "names": list(self.names), "net": self.net, "given": self.given}
