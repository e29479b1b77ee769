"""The one check that every measure makes of its input."""

from __future__ import annotations

from collections.abc import Sized


def check_pairs(hypotheses: Sized, references: Sized) -> None:
    """Raise `ValueError` unless there is exactly one hypothesis per reference, and at least one."""
    if not len(hypotheses):
        raise ValueError("no hypotheses to score; a measure needs at least one hypothesis and its reference")
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references; give one for each")
