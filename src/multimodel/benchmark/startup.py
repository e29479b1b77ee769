"""How long a user waits before anything happens: commands from the shell, each in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from tempfile import TemporaryDirectory

from multimodel.benchmark.results import Case, Part, Row
from multimodel.benchmark.setting import Setting
from multimodel.benchmark.timing import in_turn
from multimodel.errors import InputError

SENTENCE = "Where is the key?"


def call(*words: str) -> None:
    """A Python process without a GPU; raises `InputError` where it fails."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        reason = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"Start-up is left out: a process failed ({reason}).")


def measure(setting: Setting) -> list[Row]:
    """All commands in turn; what is predicted with has been trained for one step, which takes as long."""
    with TemporaryDirectory() as run:
        data = f"--data-folder={setting.data_folder}"
        call("-m", "multimodel", "train", setting.preset, "--steps=1", "--warm-up=1", data, "--out", run)
        ways = {
            "import torch": partial(call, "-c", "import torch"),
            "import multimodel, and all that `load` needs": partial(call, "-c", "from multimodel import load"),
            "multimodel --help": partial(call, "-m", "multimodel", "--help"),
            "multimodel predict": partial(call, "-m", "multimodel", "predict", run, "en-de", SENTENCE),
        }
        times = in_turn(ways, setting.rounds, setting.device)
    return [
        Row(way, {"ms": times.milliseconds(way), "× import torch": times.ratio(way, "import torch")}) for way in ways
    ]


def cases(setting: Setting) -> list[Case]:
    """One comparison."""
    return [Case("from the shell", partial(measure, setting))]


PART = Part(
    title="Start-up",
    about="Whole processes from the shell to their end, on the CPU, after one call of each; predict translates one "
    "sentence with a model of the preset. × import torch is time over that of a process that only imports torch.",
    drawn="× import torch",
    cases=cases,
)
