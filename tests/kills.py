"""A run that is killed again and again, beside one that is left alone: both must end in the same files, bit by bit.

    python tests/kills.py 100

Every attempt is a process of its own, forked off this one after its imports, and killed with SIGKILL: at a random
moment, or as soon as a checkpoint is being written. Further runs have batches that are no numbers, so that steps are
skipped and training goes back; are asked to end; and cannot write any more.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.utils.tensorboard
from runs import write_mini8

from multimodel import cli
from multimodel.batch import Batch
from multimodel.tasks.batching import Stream
from multimodel.training import checkpoint
from multimodel.training.incidents import incidents

STEPS = 30
WORDS = ["--tasks", "speech,imageclass,parse,en-de", "--steps", str(STEPS), "--checkpoint-steps", "2", "--threads", "1"]
PATIENCE = 120.0
BAD_TASK = "speech"
BAD = (0, *range(2, 7))  # a step that is skipped, and as many in a row as make training go back


def command(folder: Path, run: Path, *words: str) -> list[str]:
    data = ["--data-folder", str(folder / "mini8")]
    return ["train", "tiny", "--out", str(run), *data, *WORDS, "--start-or-resume", *words]


def forked(words: list[str], output: int, before: Callable[[], object] = lambda: None) -> int:
    """Run a command in a process of its own; its number."""
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        before()
        os._exit(cli.main(words))
    except SystemExit as error:
        os._exit(int(error.code or 0))
    finally:
        os._exit(70)


def ended(child: int) -> int | None:
    """The exit code of a process that has ended; minus the signal that ended it."""
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_when(child: int, moment: Callable[[], bool], number: int = signal.SIGKILL) -> bool:
    """Send a signal at that moment; whether the process was still there, which then is over."""
    started = time.monotonic()
    while not moment() and time.monotonic() - started < PATIENCE:
        code = ended(child)
        if code is not None:
            assert code == 0, f"the run ended with {code}"
            return False
        time.sleep(0.0002)
    os.kill(child, number)
    wait(child)
    return True


def spoil(positions: Container[int]) -> None:
    """From here on the batches of a task at these positions of its stream are no numbers."""
    batch = Stream.batch

    def spoiled(self: Stream, position: int) -> Batch:
        found = batch(self, position)
        return (
            replace(found, inputs=torch.full_like(found.inputs, torch.nan))
            if self.task.name == BAD_TASK and position in positions
            else found
        )

    Stream.batch = spoiled  # type: ignore[method-assign]


def unfinished(run: Path) -> list[Path]:
    return list((run / "checkpoints").glob(".*.part"))


def result(run: Path) -> dict[str, Any]:
    """What must be the same: weights, moments, where it stands, and which examples each step saw, with its loss."""
    newest = checkpoint.latest(run)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    logged = ("step", "task", "position", "drawn", "loss", "gradient_norm", "learning_rate")
    return {
        "checkpoint": newest.name,
        "model": (newest / checkpoint.MODEL).read_bytes(),
        "optimiser": (newest / checkpoint.OPTIMISER).read_bytes(),
        "state": json.loads((newest / checkpoint.STATE).read_text()) | {"seconds": None},
        "log": [{key: line[key] for key in logged} for line in lines],
    }


def kept(run: Path) -> tuple[list[str], str]:
    """Names of checkpoints, and which of them are the best."""
    return [place.name for place in checkpoint.checkpoints(run)], (run / checkpoint.BEST).read_text()


class Trial:
    """A folder with a run that was left alone, against which others are held; `before` is called in each process."""

    def __init__(self, folder: Path, before: Callable[[], object] = lambda: None) -> None:
        folder.mkdir()
        self.folder = folder
        self.before = before
        # through a pipe, so that what limits the files of a run does not limit what it says
        self.copy = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=(folder / "output.txt").open("wb"))
        write_mini8(folder / "mini8")
        self.finish(folder / "first")  # which may compile kernels: no other run takes as long
        started = time.monotonic()
        self.finish(folder / "straight")
        self.seconds = time.monotonic() - started
        self.expected = result(folder / "straight")
        self.compare(folder / "first")

    @property
    def output(self) -> str:
        """All that was printed so far."""
        time.sleep(0.5)  # for the copy
        return (self.folder / "output.txt").read_text()

    def start(self, run: Path, before: Callable[[], object] = lambda: None) -> int:
        """The number of a process that starts this run or goes on with it."""
        assert self.copy.stdin is not None

        def first() -> None:
            self.before()
            before()

        return forked(command(self.folder, run), self.copy.stdin.fileno(), first)

    def finish(self, run: Path) -> None:
        """Go on with a run to its end."""
        assert wait(self.start(run)) == 0, self.output

    def compare(self, run: Path) -> None:
        """Raises `AssertionError` where a run ended in other files than the one that was left alone."""
        found = result(run)
        for name, value in self.expected.items():
            assert found[name] == value, f"{name} of {run} is not that of a run that was left alone"

    def compare_kept(self, run: Path) -> None:
        """The same of which checkpoints are kept; one that a signal asked for may be better than all."""
        assert kept(run) == kept(self.folder / "straight"), f"other checkpoints of {run} are kept"


def killed(trial: Trial, kills: int, seed: int = 0) -> Counter[str]:
    """Kill so often, over as many runs as it takes; how often what was hit."""
    drawn = random.Random(seed)
    counted: Counter[str] = Counter()
    while counted["kills"] < kills:
        run = trial.folder / f"run-{counted['runs']}"
        over = False
        while counted["kills"] < kills and not over:
            child = trial.start(run)
            moment = while_writing(drawn, run) if counted["kills"] % 2 else at_random(drawn, trial.seconds)
            over = not kill_when(child, moment)
            counted["kills"] += not over
            counted["while a checkpoint was written"] += bool(unfinished(run))
        trial.finish(run)
        trial.compare(run)
        trial.compare_kept(run)
        counted["runs"] += 1
    return counted


def asked_to_end(trial: Trial) -> dict[str, int | str]:
    """SIGTERM in the middle: how it ended, and what it said last."""
    run = trial.folder / "asked"
    child = trial.start(run)
    while not list((run / "checkpoints").glob("*10")):
        time.sleep(0.001)
    os.kill(child, signal.SIGTERM)
    code = wait(child)
    said = trial.output.splitlines()[-1]
    newest = int(checkpoint.latest(run).name)
    trial.finish(run)
    trial.compare(run)
    return {"code": code, "said": said, "checkpoint": newest}


def full_disk(trial: Trial, room: int) -> dict[str, int | str]:
    """Files cannot grow beyond so many bytes from some step on: how it ended, and what it said last."""
    run = trial.folder / f"full-{room}"

    def limit() -> None:
        while not list((run / "checkpoints").glob("*10")):
            time.sleep(0.001)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    code = wait(trial.start(run, before=threading.Thread(target=limit, daemon=True).start))
    said = trial.output.splitlines()[-1]
    left = len(unfinished(run))
    trial.finish(run)
    trial.compare(run)
    return {"code": code, "said": said, "left": left}


def at_random(drawn: random.Random, seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + drawn.uniform(0, seconds)
    return lambda: time.monotonic() > end


def while_writing(drawn: random.Random, run: Path) -> Callable[[], bool]:
    """When a checkpoint is being written: one of the next few."""
    seen: set[str] = set()
    wanted = drawn.randint(1, 4)

    def moment() -> bool:
        seen.update(path.name for path in unfinished(run))
        return len(seen) >= wanted and bool(unfinished(run))

    return moment


def main(kills: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        started = time.monotonic()
        trial = Trial(Path(folder) / "well")
        ill = Trial(Path(folder) / "ill", before=lambda: spoil(BAD))
        found = {
            "killed": dict(killed(trial, kills - kills // 4)),
            "killed among bad moments": dict(killed(ill, kills // 4)),
            "bad moments": dict(Counter(one.kind for one in incidents(ill.folder / "straight"))),
            "asked to end": asked_to_end(trial),
            "full disk": [full_disk(trial, room) for room in (3_000, 30_000, 300_000)],
        }
        print(json.dumps(found | {"seconds": round(time.monotonic() - started)}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
