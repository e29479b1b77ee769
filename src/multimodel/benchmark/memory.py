"""Peak memory of a training step, in a process of its own.

    python -m multimodel.benchmark.memory SUBJECT PRESET DEVICE THREADS EXAMPLES SYMBOLS

prints the bytes beyond those of the loaded libraries, which a step of the preset `tiny` brings in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from multimodel.benchmark.models import text_batch, text_trainer, training_steps
from multimodel.benchmark.own_process import own_process
from multimodel.benchmark.results import Case, Part, Row
from multimodel.benchmark.setting import SEED, Setting, plain, precision
from multimodel.benchmark.timing import Way
from multimodel.benchmark.transformer import installed, transformer, transformer_steps
from multimodel.errors import InputError
from multimodel.presets import PRESETS, Preset

MIB = 1 << 20
STEPS = 3
STATUS = Path("/proc/self/status")
FORGET_PEAK = "5"  # written to /proc/self/clear_refs


def our_steps(preset: Preset, text: tuple[int, int], device: torch.device) -> Way:
    """Our step on one batch."""
    trainer = text_trainer(preset, device)
    return training_steps(trainer, [text_batch(preset, *text, device)])


def plain_steps(preset: Preset, text: tuple[int, int], device: torch.device) -> Way:
    """The same on the plain paths."""
    return plain(our_steps(preset, text, device))


def their_steps(preset: Preset, text: tuple[int, int], device: torch.device) -> Way:
    """A Transformer's."""
    batch, dtype = text_batch(preset, *text, device), precision(preset, device)
    return transformer_steps(transformer(preset, device), preset, batch, dtype)


SUBJECTS: Mapping[str, Callable[[Preset, tuple[int, int], torch.device], Way]] = {
    "ours": our_steps,
    "plain": plain_steps,
    "Transformer": their_steps,
}


def kibibytes(field: str) -> int:
    """A line of this process's status: `VmRSS` is what it holds, `VmHWM` the most that it held."""
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))


def peak_bytes(subject: str, preset: Preset, text: tuple[int, int], device: torch.device) -> int:
    """The most that this process held in a few steps, beyond what it held when all libraries were loaded."""
    make = SUBJECTS[subject]
    make(PRESETS["tiny"], (1, 2), device)()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    Path("/proc/self/clear_refs").write_text(FORGET_PEAK)
    before = kibibytes("VmRSS")
    step = make(preset, text, device)
    for _ in range(STEPS):
        step()
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * (kibibytes("VmHWM") - before)


def measure(setting: Setting, subject: str) -> list[Row]:
    """One subject in a fresh process."""
    if not STATUS.exists():
        raise InputError("Memory is left out: it is read from /proc, which this system does not have.")
    text = setting.scale.text
    words = (subject, setting.preset, setting.device.type, torch.get_num_threads(), *text)
    left_out = f"Memory of {subject} is left out: its process failed"
    printed = own_process(["-m", "multimodel.benchmark.memory", *words], left_out)
    return [Row(f"{subject}, {text[0]} × {text[1]} symbols", {"peak, MiB": int(printed) / MIB})]


def cases(setting: Setting) -> list[Case]:
    """Us, our plain paths, and the Transformer where there is one."""
    subjects = [subject for subject in setting.scale.memory if subject != "Transformer" or installed()]
    return [Case(subject, partial(measure, setting, subject)) for subject in subjects]


PART = Part(
    title="Peak memory of training",
    about=f"{STEPS} steps on random text in a fresh process: weights, gradients, Adam's moments and what the steps "
    "need between. On a CPU the most resident memory above that of the loaded libraries, on a GPU the most allocated.",
    drawn="",
    cases=cases,
)


def main(subject: str, preset: str, device: str, threads: str, examples: str, symbols: str) -> None:
    """Print one subject's peak in bytes."""
    torch.set_num_threads(int(threads))
    torch.manual_seed(SEED)
    print(peak_bytes(subject, PRESETS[preset], (int(examples), int(symbols)), torch.device(device)))


if __name__ == "__main__":
    main(*sys.argv[1:])
