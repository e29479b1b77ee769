"""`multimodel bench`: speed and memory, against floors, plain paths and a Transformer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from tyro.conf import arg

from multimodel.benchmark.run import PARTS, benchmark
from multimodel.benchmark.setting import FULL, QUICK, Setting
from multimodel.commands.words import split_names
from multimodel.errors import InputError
from multimodel.folders import mini8_folder
from multimodel.runs import named_preset
from multimodel.training.train import default_device


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure speed and memory; ways that are compared take turns. Takes minutes; Ctrl-C keeps what is measured."""

    only: Annotated[tuple[str, ...], arg(help=f"Parts to measure, of: {', '.join(PARTS)}.")] = tuple(PARTS)
    preset: str | None = None
    """Preset of the parts that run whole models; without it quickstart on a CPU, base on a GPU, tiny with --quick."""
    device: Literal["cpu", "cuda"] | None = None
    """Where to run; without it a GPU where there is one."""
    threads: int | None = None
    """CPU threads; without it torch decides."""
    rounds: int = 10
    """How often each way is timed, after warm-up."""
    quick: bool = False
    """Measure tiny sizes only: to see that it works, not to learn anything."""
    data_folder: Path = field(default_factory=mini8_folder)
    """Folder of the built mini8."""
    out: Path = Path("runs/bench")
    """Folder for bench.json and the charts."""
    markdown: Path | None = None
    """File for the tables; without it bench.md in --out."""


def main(arguments: Sequence[str]) -> None:
    """Parse, measure, write."""
    command = tyro.cli(Bench, args=arguments, prog="multimodel bench")
    names = checked(split_names(command.only))
    if min(command.rounds, 1 if command.threads is None else command.threads) < 1:
        raise InputError("The number of rounds and of threads must be above 0.")
    if command.threads:
        torch.set_num_threads(command.threads)
    setting = Setting(
        device=device_of(command.device),
        preset=preset_of(command),
        rounds=command.rounds,
        data_folder=command.data_folder,
        scale=QUICK if command.quick else FULL,
    )
    markdown = command.markdown or command.out / "bench.md"
    benchmark(setting, names, shlex.join(["multimodel", "bench", *arguments]), command.out, markdown)
    print(f"Written: {markdown} and {command.out / 'bench.json'}")


def device_of(name: str | None) -> torch.device:
    """The device of this name; raises `InputError` where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("There is no GPU that torch can use here: give --device cpu.")
    return torch.device(name) if name else default_device()


def preset_of(command: Bench) -> str:
    """The preset of whole models."""
    usual = "base" if device_of(command.device).type == "cuda" else "quickstart"
    return named_preset(command.preset or ("tiny" if command.quick else usual))[0]


def checked(names: Sequence[str]) -> list[str]:
    """The parts' names, if all are known."""
    for name in names:
        if name not in PARTS:
            raise InputError(f"There is no part {name!r}: choose from {', '.join(PARTS)}.")
    return list(names)
