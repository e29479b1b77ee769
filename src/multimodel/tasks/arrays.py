"""Many arrays of unlike shapes end to end in one, in memory or in a file that is mapped into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, overload

import numpy as np


class Arrays(Sequence[np.ndarray]):
    """Views into `values`; the array at a place starts at `starts` and has the shape in that row of `shapes`."""

    def __init__(self, values: np.ndarray, starts: np.ndarray, shapes: np.ndarray) -> None:
        self.values = values
        self.starts = starts
        self.shapes = shapes

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, place: int | np.integer) -> np.ndarray: ...
    @overload
    def __getitem__(self, place: slice) -> Arrays: ...
    def __getitem__(self, place: int | np.integer | slice) -> np.ndarray | Arrays:
        if isinstance(place, slice):
            return Arrays(self.values, self.starts[place], self.shapes[place])
        start, shape = int(self.starts[place]), self.shapes[place]
        return self.values[start : start + int(shape.prod())].reshape(shape)

    def take(self, places: np.ndarray) -> Arrays:
        """The arrays at these places, in this order."""
        return Arrays(self.values, self.starts[places], self.shapes[places])


class Writer:
    """Takes arrays of one type one by one; with a file they are not kept in memory."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._parts: list[np.ndarray] = []
        self._shapes: list[tuple[int, ...]] = []
        self.dtype = np.dtype(np.int32)

    def add(self, array: np.ndarray) -> None:
        """Append one."""
        self.dtype = array.dtype
        self._shapes.append(array.shape)
        if self._file is None:
            self._parts.append(array.ravel())
        else:
            self._file.write(np.ascontiguousarray(array).data)

    @property
    def shapes(self) -> np.ndarray:
        """The shapes so far, (n, axes)."""
        return np.array(self._shapes or np.empty((0, 1)), dtype=np.int64)

    def arrays(self) -> Arrays:
        """What was taken, from memory."""
        values = np.concatenate(self._parts) if self._parts else np.empty(0, self.dtype)
        return laid_out(values, self.shapes)


def laid_out(values: np.ndarray, shapes: np.ndarray) -> Arrays:
    """Arrays of these shapes, end to end."""
    sizes = shapes.prod(axis=1)
    return Arrays(values, np.cumsum(sizes) - sizes, shapes)


def mapped(path: Path, dtype: np.dtype, shapes: np.ndarray) -> Arrays:
    """The arrays in a file, of which only what is used is in memory; raises `ValueError` for a file of another size."""
    values = np.asarray(np.memmap(path, dtype=dtype, mode="r"))
    if len(values) != int(shapes.prod(axis=1).sum()):
        raise ValueError(f"{path} has {len(values)} values")
    return laid_out(values, shapes)
