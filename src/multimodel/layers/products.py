"""Matrix products of the body and the text net on a CPU: in float32, or of factors rounded to bfloat16.

A CPU with units for bfloat16 multiplies such factors several times faster. Sums stay float32, and so does all else, so
nothing is cast between the layers. On a GPU, torch's autocast is used instead.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from multimodel.layers.paths import fused, switched

_ROUNDED = ContextVar("rounded", default=False)


def bfloat16_factors() -> AbstractContextManager[None]:
    """Within this block, products of float32 matrices on a CPU round their factors to bfloat16, backwards too."""
    return switched(_ROUNDED, True)


def rounded(x: Tensor) -> bool:
    """Whether products of this tensor are of rounded factors here."""
    return _ROUNDED.get() and fused(x)


def product(x: Float[Tensor, "n d"], weight: Float[Tensor, "f d"]) -> Float[Tensor, "n f"]:
    """`x · weightᵀ`."""
    if not rounded(x):
        return F.linear(x, weight)
    from multimodel.layers import products_cpu  # numba takes a second to import

    return products_cpu.product(x, weight)


class Linear(nn.Linear):
    """`nn.Linear` whose product is `product`; any number of leading axes."""

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n f"]:
        """Weigh the last axis."""
        if not rounded(x):
            return F.linear(x, self.weight, self.bias)
        y = product(x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias
