"""Matrix products of the body and the text net: plain ones, or ones whose factors are rounded to bfloat16.

At *medium* precision a CPU with bfloat16 units multiplies float32 matrices several times faster; sums stay float32.
Its kernels are compiled for each shape, in milliseconds, and batches hardly ever have one shape twice. So the number
of rows is rounded up to one of eight sizes between two powers of two: a few hundred kernels serve a whole run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from multimodel.layers.paths import switched

LARGEST_COPY = 1 << 21  # elements; to copy more of them takes longer than to compile a kernel
_MEDIUM = ContextVar("medium", default=False)


def medium_precision() -> AbstractContextManager[None]:
    """Within this block, products of float32 matrices on a CPU round their factors to bfloat16, backwards too."""
    return switched(_MEDIUM, True)


def applies(x: Tensor) -> bool:
    """Whether products of this tensor are of medium precision here."""
    return _MEDIUM.get() and x.device.type == "cpu" and x.dtype == torch.float32


def rounded(rows: int) -> int:
    """The next of eight sizes between two powers of two, at least 16 apart: at most an eighth more from 128 on."""
    step = max(16, 1 << max(rows.bit_length() - 4, 0))
    return -(-rows // step) * step


def product(x: Float[Tensor, "n d"], weight: Float[Tensor, "d f"]) -> Float[Tensor, "n f"]:
    """`x @ weight`."""
    return cast("Tensor", _MediumProduct.apply(x, weight)) if applies(x) else x @ weight  # type: ignore[no-untyped-call]


class Linear(nn.Linear):
    """`nn.Linear` whose product is `product`; any number of leading axes."""

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n f"]:
        """Weigh the last axis."""
        if not applies(x):
            return F.linear(x, self.weight, self.bias)
        y = product(x.flatten(0, -2), self.weight.t()).view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias


class _MediumProduct(torch.autograd.Function):
    """The product and its two gradients, each of a rounded number of rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x_padded = _padded(x) if len(x) * weight.shape[1] <= LARGEST_COPY else x.contiguous()
        ctx.save_for_backward(x_padded, weight)
        with _rounding_factors():
            return (x_padded @ weight)[: len(x)]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x_padded, weight = ctx.saved_tensors
        padded = _padded(gradient)
        with _rounding_factors():
            return (padded @ weight.t())[: len(gradient)], x_padded.t() @ padded


def _padded(x: Tensor) -> Tensor:
    """The rows, and zeros below them; a large matrix stays as it is."""
    count = len(x) if x.numel() > LARGEST_COPY else rounded(len(x))
    if count == len(x):
        return x.contiguous()
    padded = x.new_empty(count, x.shape[1])
    padded[: len(x)] = x
    padded[len(x) :] = 0
    return padded


@contextmanager
def _rounding_factors() -> Iterator[None]:
    """Torch's switch for the whole process, thrown for one product: its attention is slow under it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
