"""The facts that decide how training goes on this machine, gathered in two or three seconds."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from multimodel.doctor import system
from multimodel.errors import InputError
from multimodel.folders import MINI8_INDEX, cache_folder, mini8_folder

SECONDS = 1.0  # stolen time is counted over so long at least
NEEDED = ("multimodel", "torch", "numpy", "numba")
EXTRAS = {"datasets": "hub", "transformers": "bench", "spacy": "mini8"}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found; `None` is unknown, bytes are bytes, and a version that is `None` is not installed."""

    processor: str
    architecture: str
    cores: int | None
    usable: int | None
    memory: int | None
    memory_free: int | None
    cache: Path
    disk_free: int | None
    accelerators: tuple[str, ...]
    python: str
    versions: Mapping[str, str | None]
    torch_supported: str
    torch_for: str
    threads: int
    omp: str | None
    avx2: bool | None
    avx512: bool | None
    bfloat16: bool
    kernels: Path | None
    mini8: Path
    mini8_examples: int | None
    apt: bool
    load: float | None
    stolen: float | None


def gather() -> Facts:
    """Look at everything; torch takes a second or two to import, in which stolen time is counted."""
    load = system.load()  # before this program adds to it
    before, started = system.ticks(), time.monotonic()
    about_torch = _about_torch()
    total, free = system.memory()
    cache, mini8 = cache_folder(), mini8_folder()
    time.sleep(max(0.0, SECONDS - (time.monotonic() - started)))
    return Facts(
        processor=system.processor(),
        architecture=platform.machine(),
        cores=os.cpu_count(),
        usable=system.usable_cores(),
        memory=total,
        memory_free=free,
        cache=cache,
        disk_free=system.free_disk(cache),
        python=platform.python_version(),
        versions={name: _version(name) for name in (*NEEDED, *EXTRAS)},
        torch_supported=_supported("torch"),
        omp=os.environ.get("OMP_NUM_THREADS"),
        kernels=system.kernels_folder(Path(__file__).parent.parent / "layers"),
        mini8=mini8,
        mini8_examples=_examples(mini8),
        apt=shutil.which("apt-get") is not None,
        load=load,
        stolen=system.stolen_share(before, system.ticks()),
        **about_torch,
    )


def _about_torch() -> dict[str, Any]:
    """What only torch knows; raises `InputError` where it cannot be imported."""
    try:
        import torch

        from multimodel.training.precision import has_bfloat16
    except (ImportError, OSError) as error:
        raise InputError(f"torch cannot be imported ({error}): install it anew.") from error
    able = torch.cpu.get_capabilities()
    with warnings.catch_warnings(action="ignore"):  # a driver that is missing is told below
        found = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {
        "accelerators": tuple(torch.cuda.get_device_name(number) for number in found),
        "torch_for": "CUDA" if torch.version.cuda else "ROCm" if torch.version.hip else "",
        "threads": torch.get_num_threads(),
        "avx2": able.get("avx2"),
        "avx512": able.get("avx512_f"),
        "bfloat16": has_bfloat16(torch.device("cpu")),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _supported(package: str) -> str:
    """The versions that this one works with, as in `<2.14,>=2.10`; nothing where that is unknown."""
    try:
        needed = metadata.requires("multimodel") or []
    except metadata.PackageNotFoundError:
        return ""
    return next((one.removeprefix(package) for one in needed if one.startswith((f"{package}<", f"{package}>"))), "")


def _examples(mini8: Path) -> int | None:
    """How many there are in all, `None` where mini8 is not built."""
    try:
        tasks = json.loads((mini8 / MINI8_INDEX).read_text(encoding="utf-8"))["tasks"]
        return sum(sum(splits.values()) for splits in tasks.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
