"""The precision in which a step multiplies matrices; weights, sums and gates stay in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from multimodel.layers.products import bfloat16_factors
from multimodel.training.settings import Precision


def arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Multiply in this precision within the block."""
    if precision == "float32":
        return nullcontext()
    return bfloat16_factors() if device.type == "cpu" else torch.autocast(device.type, torch.bfloat16)
