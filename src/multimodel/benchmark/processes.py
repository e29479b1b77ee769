"""Training in one process with all threads, and in as many processes with one thread each."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from multimodel.benchmark.own_process import own_process
from multimodel.benchmark.results import Case, Part, Row
from multimodel.benchmark.setting import Setting
from multimodel.benchmark.timing import spread

MOST_ROUNDS = 3  # a run reads data and trains a vocabulary before its first step


def symbols_per_second(setting: Setting, processes: int, threads: int) -> float:
    """Of a short run on mini8, after one step of each task or more."""
    with TemporaryDirectory() as run:
        words = ["train", setting.preset, "--data-folder", setting.data_folder, "--out", run]
        options = {"steps": 4 * setting.scale.steps, "processes": processes, "threads": threads}
        words += [f"--{name}={value}" for name, value in options.items()]
        own_process(["-m", "multimodel", *words], "Processes are left out: a run failed", CUDA_VISIBLE_DEVICES="")
        steps = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    counted = steps[setting.scale.steps :]
    return float(sum(step["symbols"] for step in counted) / sum(step["seconds"] for step in counted))


def measure(setting: Setting, threads: int) -> list[Row]:
    """Both ways in turn."""
    rounds = range(min(setting.rounds, MOST_ROUNDS))
    pairs = [(symbols_per_second(setting, 1, threads), symbols_per_second(setting, threads, 1)) for _ in rounds]
    return [
        Row(f"1 process, {threads} threads", {"target symbols/s": spread(one for one, _ in pairs)}),
        Row(
            f"{threads} processes, 1 thread each",
            {
                "target symbols/s": spread(many for _, many in pairs),
                "× one process": spread(many / one for one, many in pairs),
            },
        ),
    ]


def cases(setting: Setting) -> list[Case]:
    """One comparison, where there are threads to divide."""
    threads = torch.get_num_threads()
    return [Case("mixture", partial(measure, setting, threads))] if setting.device.type == "cpu" and threads > 1 else []


PART = Part(
    title="Threads or processes",
    about="`multimodel train` on the mixture of mini8's tasks, by its own clock, each way in turn in up to "
    f"{MOST_ROUNDS} runs. × one process is speed over speed.",
    drawn="× one process",
    cases=cases,
)
