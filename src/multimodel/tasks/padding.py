"""Arrays of unlike length put into one padded tensor, with a mask of what is real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from numpy.typing import DTypeLike
from torch import Tensor


def pad(
    arrays: Sequence[np.ndarray], *, axes: int, dtype: DTypeLike
) -> tuple[Shaped[Tensor, "b ..."], Bool[Tensor, "b ..."]]:
    """Stack `arrays`, zero-padded at the end of their first `axes` axes; the mask over these is True where real."""
    sizes = np.array([array.shape[:axes] for array in arrays])
    longest = tuple(int(size) for size in sizes.max(axis=0))
    values = np.zeros((len(arrays), *longest, *arrays[0].shape[axes:]), dtype=dtype)
    mask = np.zeros((len(arrays), *longest), dtype=np.bool_)
    for row, (array, size) in enumerate(zip(arrays, sizes, strict=True)):
        real: tuple[int | slice, ...] = (row, *(slice(0, int(length)) for length in size))
        values[real] = array
        mask[real] = True
    return torch.from_numpy(values), torch.from_numpy(mask)
