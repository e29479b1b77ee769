"""Words of a command line."""

from __future__ import annotations

from collections.abc import Sequence


def split_names(words: Sequence[str]) -> list[str]:
    """Names given with spaces or commas between."""
    return [name for word in words for name in word.split(",") if name]
