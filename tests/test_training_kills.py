"""A run survives what happens to it: what `kills.py` finds out in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 20


@pytest.mark.slow
def test_a_run_that_is_killed_asked_to_end_or_without_disk_ends_in_the_files_of_one_that_was_left_alone() -> None:
    script = Path(__file__).with_name("kills.py")
    done = subprocess.run([sys.executable, str(script), str(KILLS)], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr  # the script has compared all files
    found = json.loads(done.stdout)
    assert found["killed"]["kills"] == KILLS - KILLS // 4
    assert found["killed"]["while a checkpoint was written"] >= KILLS // 5
    assert found["killed among bad moments"]["kills"] == KILLS // 4
    assert found["bad moments"]["roll-back"] == 1
    asked = found["asked to end"]
    assert asked["code"] == 143
    assert asked["said"] == f"Stopped at step {asked['checkpoint']}: `--resume` goes on from there."
    for one in found["full disk"]:
        assert (one["code"], one["left"]) == (2, 0)
        assert "make room" in one["said"]
        assert "--resume" in one["said"]
