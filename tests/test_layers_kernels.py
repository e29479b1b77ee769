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
import torch
from multimodel.layers.attention_steps_cpu import affine
from multimodel.layers.paths import compiling

print(compiling(torch.device("cpu"), "attention_steps_cpu"))
out = np.empty((1, 2), np.float32)
affine(np.ones((1, 2), np.float32), np.eye(2, dtype=np.float32), np.ones(2, np.float32), out)
print(out.tolist())
"""


def asked(place: Path) -> str:
    """What a process prints that finds the package there."""
    done = subprocess.run([sys.executable, "-c", ASK], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_kernel_is_compiled_anew_when_one_changes_that_it_calls(tmp_path: Path) -> None:
    copy = tmp_path / "multimodel"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    first = "compiling kernels, once after an installation: a minute or two\n"
    assert asked(tmp_path) == first + "[[2.0, 2.0]]\n"
    assert asked(tmp_path) == "\n[[2.0, 2.0]]\n"
    called = copy / "layers" / "kernels_cpu.py"
    called.write_text(called.read_text().replace("row[c] += bias[c]", "row[c] -= bias[c]"))
    assert asked(tmp_path) == first + "[[0.0, 0.0]]\n"
