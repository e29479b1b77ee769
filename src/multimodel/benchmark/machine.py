"""What was measured with: stated beside every figure, as no figure means anything without it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

import torch

from multimodel.benchmark.setting import SEED, Setting
from multimodel.benchmark.timing import WARM_UP
from multimodel.doctor.system import processor
from multimodel.presets import PRESETS

Conditions = dict[str, str]


def conditions(setting: Setting, command: str) -> Conditions:
    """Command, data, seed, hardware, threads, version and precision, in words."""
    device, presets = setting.device, {setting.preset, *setting.scale.block_presets}
    graphics = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "hardware": ", ".join(filter(None, (graphics, processor(), f"{os.cpu_count()} cores"))),
        "load": f"{os.getloadavg()[0]:.1f} processes were running on average in the minute before",
        "threads": str(torch.get_num_threads()),
        "torch": f"{torch.__version__}, Python {platform.python_version()}",
        "precision": ", ".join(f"{name} {PRESETS[name].training.precision}" for name in sorted(presets))
        + f"; matrix products of float32 at “{torch.get_float32_matmul_precision()}”",
        "data": "mini8 for training steps and the profile, random numbers and symbols elsewhere",
        "seed": str(SEED),
        "rounds": f"{setting.rounds} after {WARM_UP} of warm-up, every way once a round in turn; "
        "medians with lower and upper quartile in brackets",
    }
