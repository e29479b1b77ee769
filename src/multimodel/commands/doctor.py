"""`multimodel doctor`: what this machine is like, what is installed, and what will hurt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tyro

from multimodel.doctor.advice import gigabytes, warnings
from multimodel.doctor.facts import EXTRAS, Facts, gather
from multimodel.tasks.overview import NOT_BUILT

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Print what is known of this machine, and warnings of what will hurt training, each with what to do."""


def main(arguments: Sequence[str]) -> None:
    """Parse, look, print."""
    tyro.cli(Doctor, args=arguments, prog="multimodel doctor")
    facts = gather()
    for name, value in lines(facts):
        print(f"{name:<18}{value}")
    found = warnings(facts)
    print("", *([f"! {sentence}" for sentence in found] or ["Nothing here will hurt."]), sep="\n")


def lines(facts: Facts) -> Iterator[tuple[str, str]]:
    """Every fact in words, under its name."""
    yield "processor", facts.processor
    yield "cores", f"{_known(facts.cores)}, of which this process may use {_known(facts.usable)}"
    yield "instructions", ", ".join(_instructions(facts))
    yield "memory", f"{_bytes(facts.memory)}, {_bytes(facts.memory_free)} free"
    yield "disk", f"{_bytes(facts.disk_free)} free at {facts.cache}"
    yield "accelerators", ", ".join(facts.accelerators) or "none"
    yield "load", UNKNOWN if facts.load is None else f"{facts.load:.1f} processes on average in the last minute"
    yield (
        "stolen time",
        UNKNOWN if facts.stolen is None else f"{facts.stolen:.0%} of the processors' time, by other machines",
    )
    yield "python", facts.python
    for name, version in facts.versions.items():
        yield name, version or _missing(name)
    yield "torch threads", f"{facts.threads}; OMP_NUM_THREADS is {facts.omp or 'not set'}"
    yield "compiled kernels", str(facts.kernels or "can be kept nowhere")
    yield (
        "mini8",
        f"{facts.mini8_examples:,} examples in {facts.mini8}" if facts.mini8_examples is not None else NOT_BUILT,
    )
    yield "apt-get", "present" if facts.apt else "missing: packages for mini8 must be fetched by hand"


def _instructions(facts: Facts) -> Iterator[str]:
    for name, present in (("AVX2", facts.avx2), ("AVX-512", facts.avx512)):
        yield f"{name} {UNKNOWN if present is None else 'yes' if present else 'no'}"
    yield f"AMX bfloat16 {'yes' if facts.bfloat16 else 'no'}"


def _missing(name: str) -> str:
    return f"not installed: pip install 'multimodel[{EXTRAS[name]}]'" if name in EXTRAS else "not installed"


def _known(value: object) -> str:
    return UNKNOWN if value is None else str(value)


def _bytes(count: int | None) -> str:
    return UNKNOWN if count is None else gigabytes(count)
