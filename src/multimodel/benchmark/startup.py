"""How long a user waits before anything happens: commands from the shell, each in a fresh process."""

from __future__ import annotations

from functools import partial
from tempfile import TemporaryDirectory

from multimodel.benchmark.own_process import own_process
from multimodel.benchmark.results import Case, Part, Row
from multimodel.benchmark.setting import Setting
from multimodel.benchmark.timing import Times, in_turn, seconds

SENTENCE = "Where is the key?"


def call(*words: str, **changes: str) -> None:
    """A Python process without a GPU, its environment changed; raises `InputError` where it fails."""
    own_process(words, "Start-up is left out: a process failed", **{"CUDA_VISIBLE_DEVICES": "", **changes})


def anew(*words: str) -> None:
    """As the first call after an installation, whose kernels numba has yet to compile."""
    with TemporaryDirectory() as empty:
        call(*words, NUMBA_CACHE_DIR=empty)


def measure(setting: Setting) -> list[Row]:
    """All commands in turn, but first calls once; what is predicted with has been trained for one step."""
    with TemporaryDirectory() as folder:
        run, data = f"{folder}/run", f"--data-folder={setting.data_folder}"
        training = ["-m", "multimodel", "train", setting.preset, "--steps=1", "--warm-up=1", data, "--out"]
        predicting = ["-m", "multimodel", "predict", run, "en-de", SENTENCE]
        call(*training, run)
        firsts = {
            "multimodel train, one step, kernels compiled": partial(anew, *training, f"{folder}/first"),
            "multimodel predict, two sentences, kernels compiled": partial(anew, *predicting, SENTENCE),
        }
        once = Times({way: [seconds(first, setting.device)] for way, first in firsts.items()})
        ways = {
            "import torch": partial(call, "-c", "import torch"),
            "import multimodel, and all that `load` needs": partial(call, "-c", "from multimodel import load"),
            "multimodel --help": partial(call, "-m", "multimodel", "--help"),
            "multimodel predict": partial(call, *predicting),
            "multimodel predict, two sentences": partial(call, *predicting, SENTENCE),
        }
        times = in_turn(ways, setting.rounds, setting.device)
    return [
        *(
            Row(way, {"ms": times.milliseconds(way), "× import torch": times.ratio(way, "import torch")})
            for way in ways
        ),
        *(Row(way, {"ms": once.milliseconds(way)}) for way in firsts),
    ]


def cases(setting: Setting) -> list[Case]:
    """One comparison."""
    return [Case("from the shell", partial(measure, setting))]


PART = Part(
    title="Start-up",
    about="Whole processes from the shell to their end, on the CPU, after one call of each; predict translates one "
    "sentence, or two, for which compiled kernels are loaded, with a model of the preset. × import torch is time over "
    "that of a process that only imports torch. Where kernels are compiled, once after an installation, one call is "
    "timed.",
    drawn="× import torch",
    cases=cases,
)
