"""The precision in which a step multiplies matrices; weights, sums and gates stay in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from multimodel.layers.products import bfloat16_factors
from multimodel.training.settings import Precision


def arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Multiply in this precision within the block, or in float32 where that is faster."""
    if precision == "float32" or not has_bfloat16(device):
        return nullcontext()
    return bfloat16_factors() if device.type == "cpu" else torch.autocast(device.type, torch.bfloat16)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32: CPUs that have AMX, GPUs that need not emulate it."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type != "cpu" or bool(torch.cpu.get_capabilities().get("amx_bf16"))
