"""What is measured in a Python process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

from multimodel.errors import InputError


def own_process(words: Iterable[object], left_out: str, **changes: str) -> str:
    """What a Python process prints, its environment changed; raises `InputError` where it fails."""
    command, environment = [sys.executable, *map(str, words)], {**os.environ, **changes}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        reason = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"{left_out} ({reason}).")
    return done.stdout
