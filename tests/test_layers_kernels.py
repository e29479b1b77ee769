"""What numba has compiled is used for as long as it fits."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import multimodel

pytest.importorskip("numba")

PACKAGE = Path(multimodel.__file__).parent
ASK = """
import numpy as np
from multimodel.layers.attention_steps_cpu import affine

out = np.empty((1, 2), np.float32)
affine(np.ones((1, 2), np.float32), np.eye(2, dtype=np.float32), np.ones(2, np.float32), out)
print(out.tolist(), bool(affine.stats.cache_hits))
"""


def asked(place: Path) -> str:
    """What a process prints that finds the package there."""
    done = subprocess.run([sys.executable, "-c", ASK], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_kernel_is_compiled_anew_when_one_changes_that_it_calls(tmp_path: Path) -> None:
    copy = tmp_path / "multimodel"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert asked(tmp_path) == "[[2.0, 2.0]] False"
    assert asked(tmp_path) == "[[2.0, 2.0]] True"
    called = copy / "layers" / "kernels_cpu.py"
    called.write_text(called.read_text().replace("row[c] += bias[c]", "row[c] -= bias[c]"))
    assert asked(tmp_path) == "[[0.0, 0.0]] False"
