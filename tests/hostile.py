"""Damage done to good files, and the promise that all input is answered or refused in one sentence, in bounds.

`MULTIMODEL_FUZZ=2000 pytest tests/test_hostile*.py` tries so many inputs a test, others in every run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from jaxtyping import config

from multimodel.errors import InputError
from multimodel.sources.wording import LONGEST_SENTENCE

ASKED = os.environ.get("MULTIMODEL_FUZZ")
INPUTS = int(ASKED or 60)
SLOWEST = 30.0  # seconds for one input: most take milliseconds, and what these tests are about took minutes
TIMEOUT = pytest.mark.timeout(120 + INPUTS)
PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")

fuzz = settings(
    max_examples=INPUTS,
    derandomize=ASKED is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def answer(action: Callable[[], Any]) -> Any:
    """What the action gives, `None` where it refuses its input as it should; anything else raised is a failure."""
    start = time.monotonic()
    try:
        found = action()
    except InputError as error:
        found = None
        check_sentence(str(error))
    assert time.monotonic() - start < SLOWEST
    return found


def refused(action: Callable[[], Any], message: str) -> None:
    """The action refuses its input with this regular expression in one sentence."""
    start = time.monotonic()
    with pytest.raises(InputError, match=message) as caught:
        action()
    check_sentence(str(caught.value))
    assert time.monotonic() - start < SLOWEST


def check_sentence(message: str) -> None:
    assert message.isprintable(), "control characters, line breaks or lone surrogates"
    assert message.endswith((".", "…")), message[-80:]
    assert len(message) <= LONGEST_SENTENCE + 200


def grown(action: Callable[[], Any]) -> float:
    """MiB by which this process was larger during the action than before it."""
    status, forget = PEAK
    if not os.access(forget, os.W_OK):
        pytest.skip("the highest use of memory can be asked for on Linux only")
    forget.write_text("5")
    before = _peak(status)
    action()
    return _peak(status) - before


@contextmanager
def unchecked() -> Iterator[None]:
    """Without the checks of types: they refuse what users may give, and take ten times as long as what they check."""
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)


def _peak(status: Path) -> float:
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@some.composite
def damaged(draw: some.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A good file with some bytes changed, cut off, doubled, or put in."""
    content = bytearray(draw(some.sampled_from(seeds)))
    for _ in range(draw(some.integers(0, 6))):
        place = draw(some.integers(0, max(0, min(len(content) - 1, draw(some.sampled_from([64, 10**6]))))))
        content[place : place + 1] = draw(some.binary(min_size=1, max_size=1) | some.sampled_from([b"\xff", b"\0"]))
    if draw(some.booleans()):
        content = content[: draw(some.integers(0, len(content)))]
    if draw(some.integers(0, 4)) == 0:
        place = draw(some.integers(0, len(content)))
        content[place:place] = draw(some.binary(max_size=40)) or content[: draw(some.integers(0, 200))]
    return bytes(content)
