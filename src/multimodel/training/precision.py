"""The precision in which a step multiplies matrices; weights, sums and gates stay in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from multimodel.layers.products import medium_precision
from multimodel.training.settings import Precision


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Multiply in this precision within the block."""
    rounded = medium_precision() if precision == "medium" else nullcontext()
    with rounded, torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield
