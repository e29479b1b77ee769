"""Files of JSON lines that a run adds to, and that survive its being killed in the middle of one."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_line(path: Path, values: Mapping[str, Any]) -> None:
    """Add a line, in one piece; one that was cut off before it stays a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as opened:
        opened.seek(max(0, opened.seek(0, os.SEEK_END) - 1))
        start = b"" if opened.read(1) in (b"", b"\n") else b"\n"
        opened.write(start + json.dumps(strict(values)).encode() + b"\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines, oldest first; none where there is no file."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            found.append(values)
    return found


def strict(value: Any) -> Any:
    """The same with null for what is no number, for which JSON has no word."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: strict(one) for key, one in value.items()}
    return [strict(one) for one in value] if isinstance(value, list | tuple) else value
