"""What will hurt on a machine, in sentences that say what to do."""

from __future__ import annotations

import re
from collections.abc import Callable

from multimodel.doctor.facts import Facts

GIGABYTE = 10**9
LEAST_MEMORY = 4 * GIGABYTE
LEAST_DISK = 2 * GIGABYTE
MOST_STOLEN = 0.05


def warnings(facts: Facts) -> list[str]:
    """All of it; where a fact is unknown nothing is said."""
    return [sentence for rule in RULES if (sentence := rule(facts))]


def little_memory(facts: Facts) -> str:
    """Less than 4 GB."""
    if facts.memory_free is None or facts.memory_free >= LEAST_MEMORY:
        return ""
    return (
        f"Only {gigabytes(facts.memory_free)} of memory are free, and training may need {gigabytes(LEAST_MEMORY)}: "
        "end other programs, or take a smaller --batch-cost."
    )


def little_disk(facts: Facts) -> str:
    """Less than 2 GB."""
    if facts.disk_free is None or facts.disk_free >= LEAST_DISK:
        return ""
    return (
        f"Only {gigabytes(facts.disk_free)} of disk are free at {facts.cache}, and data and features may need "
        f"{gigabytes(LEAST_DISK)}: make room, or set XDG_CACHE_HOME to a folder on a larger disk."
    )


def too_many_threads(facts: Facts) -> str:
    """More than cores."""
    if facts.usable is None or facts.threads <= facts.usable:
        return ""
    return (
        f"torch runs {facts.threads} threads, and this process may use {_cores(facts.usable)}: threads that wait for a "
        f"core hold up the others, so set OMP_NUM_THREADS={facts.usable}."
    )


def no_avx2(facts: Facts) -> str:
    """Of an x86 processor; others never have it."""
    if facts.avx2 is not False or facts.architecture.lower() not in ("x86_64", "amd64"):
        return ""
    return "This processor has no AVX2, so it multiplies slowly: train on a newer one or on a GPU."


def busy(facts: Facts) -> str:
    """More processes than cores."""
    if facts.load is None or facts.usable is None or facts.load <= facts.usable:
        return ""
    return (
        f"{facts.load:.1f} processes ran on average in the last minute on {_cores(facts.usable)}: another program is "
        "running, so end it or wait for it; runs by --minutes reach less beside it."
    )


def stolen(facts: Facts) -> str:
    """By other virtual machines."""
    if facts.stolen is None or facts.stolen <= MOST_STOLEN:
        return ""
    return (
        f"This virtual machine loses {facts.stolen:.0%} of its processor time to others on the same host: compare runs "
        "by --steps, not by --minutes, measure speed several times, or take a machine of your own."
    )


def no_gpu(facts: Facts) -> str:
    """Though torch was built for one."""
    if not facts.torch_for or facts.accelerators:
        return ""
    return (
        f"torch was built for {facts.torch_for} and finds no GPU, so it runs on the processor: if there is a GPU, look "
        "at its driver (nvidia-smi or rocminfo) and at CUDA_VISIBLE_DEVICES."
    )


def unsupported_torch(facts: Facts) -> str:
    """Older or newer than what this was tested with."""
    version = facts.versions.get("torch")
    if version is None or within(version, facts.torch_supported):
        return ""
    return (
        f"torch {version} is not among the versions that multimodel is tested with ({facts.torch_supported}): "
        f"pip install 'torch{facts.torch_supported}'."
    )


def no_kernels(facts: Facts) -> str:
    """Neither numba nor a place for what it compiles."""
    if facts.versions.get("numba") is None:
        return "numba is not installed, so layers take their plain paths, which are slower: pip install numba."
    if facts.kernels is None:
        return "numba can write compiled kernels nowhere and will fail: set NUMBA_CACHE_DIR to a folder of yours."
    return ""


def no_data(facts: Facts) -> str:
    """And no apt to fetch it with."""
    if facts.mini8_examples is not None or facts.apt:
        return ""
    return (
        "mini8 is not built and there is no apt-get to fetch it with: `multimodel data build mini8` says which files "
        "to fetch by hand; your own data needs neither."
    )


def within(version: str, allowed: str) -> bool:
    """Whether a version is in a range such as `<2.14,>=2.10`; yes where either cannot be read."""
    number = _numbers(version)
    limits = re.findall(r"(<|>=)\s*([\d.]+)", allowed)
    return not number or all((number < _numbers(end)) == (sign == "<") for sign, end in limits)


def gigabytes(count: int) -> str:
    """Of 10⁹ bytes."""
    return f"{count / GIGABYTE:.1f} GB"


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


RULES: tuple[Callable[[Facts], str], ...] = (
    little_memory,
    little_disk,
    too_many_threads,
    no_avx2,
    busy,
    stolen,
    no_gpu,
    unsupported_torch,
    no_kernels,
    no_data,
)
