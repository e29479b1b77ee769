"""What the operating system tells of the machine; `None` wherever it does not, as outside Linux."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
LIMITS = Path("/sys/fs/cgroup")  # what a container may use
STEAL = 7  # place of the stolen time in the first line of /proc/stat
COUNTED = 8  # what follows is counted in those before


class Ticks(NamedTuple):
    """Processor time since the machine was started: stolen by other virtual machines, and all there was."""

    stolen: int
    total: int


def ticks() -> Ticks | None:
    """Read now."""
    counts = [int(word) for word in _words(PROC / "stat")[1 : COUNTED + 1] if word.isdigit()]
    return Ticks(counts[STEAL], sum(counts)) if len(counts) == COUNTED else None


def stolen_share(before: Ticks | None, after: Ticks | None) -> float | None:
    """Share of the time between that others took."""
    if before is None or after is None or after.total <= before.total:
        return None
    return (after.stolen - before.stolen) / (after.total - before.total)


def processor() -> str:
    """Its own name, where the system tells it, else that of its kind."""
    names = [value for key, value in _pairs(PROC / "cpuinfo") if key == "model name"]
    return names[0] if names else platform.processor() or platform.machine() or "unknown"


def usable_cores() -> int | None:
    """How many cores this process may use: those it is bound to, and no more than its container has."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota, *period = _words(LIMITS / "cpu.max") or ["max"]
    if bound is None or not (quota.isdigit() and period and period[0].isdigit()):
        return bound
    return max(1, min(bound, int(quota) // int(period[0])))


def memory() -> tuple[int | None, int | None]:
    """Bytes in all, and bytes that programs may still take; in a container of those it has."""
    known = {key: int(value.split()[0]) * 1024 for key, value in _pairs(PROC / "meminfo") if value.split()[0].isdigit()}
    total, free = known.get("MemTotal"), known.get("MemAvailable")
    limit, used = ("".join(_words(LIMITS / name)) for name in ("memory.max", "memory.current"))
    if total is None or free is None or not (limit.isdigit() and used.isdigit()):
        return total, free
    return min(total, int(limit)), min(free, max(0, int(limit) - int(used)))


def free_disk(folder: Path) -> int | None:
    """Bytes that are free where this folder is, or would be."""
    try:
        return shutil.disk_usage(nearest_existing(folder)).free
    except OSError:
        return None


def load() -> float | None:
    """How many processes ran on average in the last minute."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def kernels_folder(beside: Path, settings: Mapping[str, str] = os.environ) -> Path | None:
    """Where numba keeps what it compiles, the first place that it may write to, in its own order."""
    own = settings.get("NUMBA_CACHE_DIR")
    mac = platform.system() == "Darwin"
    users = Path.home() / "Library/Caches" if mac else Path(settings.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    places = [*([Path(own)] if own else []), beside / "__pycache__", users / "numba"]
    return next((place for place in places if os.access(nearest_existing(place), os.W_OK | os.X_OK)), None)


def nearest_existing(folder: Path) -> Path:
    """The folder, or else the last on the way to it."""
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def _words(path: Path) -> list[str]:
    """The words of a file's first line, none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].split()
    except (OSError, ValueError):
        return []


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Lines of the form `key : value`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    parts = (line.partition(":") for line in lines)
    return [(key.strip(), value.strip()) for key, _, value in parts if value.strip()]
