"""Several processes on shares of every batch: the same steps as one process takes, and the same idle weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from runs import toy_config, write_mini8
from safetensors.torch import load_file
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

import multimodel
from multimodel import cli
from multimodel.tasks.batching import Stream
from multimodel.training import checkpoint
from multimodel.training.health import ROLLBACKS
from multimodel.training.incidents import MOST_KEPT, incidents, kept_steps
from multimodel.training.processes import Processes, is_first
from multimodel.training.replay import replay
from multimodel.training.sums import SUMS
from multimodel.training.train import make_streams

# no noise and no batch-wide balance loss: what is left is the same sum in another order
EXACT = ["--model.mixture", "dense", "--model.dropout", "0", "--threads", "1", "--batch-cost", "256"]


OWN = {
    "imageclass": ("nets.image.", "nets.fashion."),
    "en-de": ("commands.to-german",),
    "parse": ("commands.to-parse",),
}
FILES = (checkpoint.MODEL, checkpoint.OPTIMISER, checkpoint.CONFIG, checkpoint.STATE, checkpoint.TOKENIZER)


def command(folder: Path, out: str, *words: str) -> list[str]:
    found = [sys.executable, "-m", "multimodel", "train", "tiny", "--data-folder", str(folder / "mini8")]
    return [*found, "--out", str(folder / out), "--tasks", "en-de,imageclass,parse", *EXACT, *words]


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"XDG_CACHE_HOME": str(folder), "OMP_NUM_THREADS": "1"}


def train(folder: Path, out: str, *words: str) -> subprocess.CompletedProcess[str]:
    words_of = command(folder, out, *words)
    return subprocess.run(words_of, capture_output=True, text=True, timeout=300, env=environment(folder))


def children(process: int) -> list[int]:
    """The processes that this one started and that are still there, and those that they started."""
    try:
        own = [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [one for child in own for one in (child, *children(child))]


def wait_for(place: Path) -> None:
    started = time.monotonic()
    while not place.exists():
        assert time.monotonic() - started < 200, f"no {place}"
        time.sleep(0.005)


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[tuple[str, float, int, int]]:
    return [(line["task"], round(line["loss"], 3), line["examples"], line["symbols"]) for line in log(run)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(max((run / "checkpoints").glob("0*")) / checkpoint.MODEL)


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """To 2e-3: Adam's first steps turn a rounding error in a gradient near 0 into one of the learning rate's size."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=2e-3, rtol=2e-3, msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, and a run of one process on it."""
    folder = tmp_path_factory.mktemp("alone")
    write_mini8(folder / "mini8")
    done = train(folder, "alone", "--steps", "6")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("words", [["2"], ["4"], ["2", "--sharding", "full"]], ids=" ".join)
def test_several_processes_take_the_steps_of_one(alone: Path, words: list[str]) -> None:
    out = "-".join(words)
    together = train(alone, out, "--steps", "6", "--processes", *words)
    assert together.returncode == 0, together.stderr
    assert together.stdout.count("Trained:") == 1
    assert losses(alone / out) == losses(alone / "alone")
    norms, expected = ([line["gradient_norm"] for line in log(alone / run)] for run in (out, "alone"))
    assert norms == pytest.approx(expected, rel=0.02)
    assert_close(weights(alone / out), weights(alone / "alone"))


@pytest.mark.slow
def test_a_model_that_was_cut_is_whole_on_disk_and_goes_on_in_any_number_of_processes(alone: Path) -> None:
    words = ["--checkpoint-steps", "2", "--sharding", "full", "--processes"]
    assert train(alone, "cut", "--steps", "2", *words, "3").returncode == 0
    place = max((alone / "cut" / "checkpoints").glob("0*"))
    assert {path.name for path in place.iterdir()} == {*FILES, SUMS}
    for number, count in ((4, "2"), (6, "1")):
        more = train(alone, "cut", "--resume", "--steps", str(number), *words, count)
        assert more.returncode == 0, more.stderr
    rates = [line["learning_rate"] for line in log(alone / "cut")]
    assert len(rates) == 6
    assert [line["drawn"] for line in log(alone / "cut")] == [line["drawn"] for line in log(alone / "alone")]
    assert multimodel.load(alone / "cut").predict("en-de", "a cat sees a dog") is not None


@pytest.mark.slow
def test_each_process_may_take_a_task_of_its_own(alone: Path) -> None:
    words = ["--placement", "task-per-rank", "--processes", "2"]
    first = train(alone, "apart", "--steps", "1", *words)
    assert first.returncode == 0, first.stderr
    before = weights(alone / "apart")
    second = train(alone, "apart", "--steps", "2", "--resume", "--keep", "9", *words)
    assert second.returncode == 0, second.stderr
    lines = log(alone / "apart")
    assert [line["step"] for line in lines] == [1, 1, 2, 2]
    taken = [{line["task"] for line in lines if line["step"] == step} for step in (1, 2)]
    assert all(len(tasks) == 2 for tasks in taken), "two tasks a step"
    after = weights(alone / "apart")
    for task, prefixes in OWN.items():
        for name in (name for name in before if name.startswith(prefixes)):
            assert torch.equal(before[name], after[name]) == (task not in taken[1]), name
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert any(name.startswith("encoder.") for name in moved)


@pytest.mark.slow
def test_where_a_process_is_killed_torchrun_starts_all_again_from_the_last_checkpoint(alone: Path) -> None:
    words = command(alone, "elastic", "--steps", "6", "--checkpoint-steps", "2", "--start-or-resume")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2"]
    run = subprocess.Popen([*launcher, *words[1:]], env=environment(alone), stderr=subprocess.PIPE, text=True)
    wait_for(alone / "elastic" / "checkpoints" / "00000002")
    victim = max(children(run.pid))
    os.kill(victim, signal.SIGKILL)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert f"pid: {victim}" in said
    assert [line[:2] for line in losses(alone / "elastic")] == [line[:2] for line in losses(alone / "alone")]
    assert_close(weights(alone / "elastic"), weights(alone / "alone"))


@pytest.mark.slow
def test_where_a_process_is_killed_all_end_and_the_run_can_go_on(alone: Path) -> None:
    words = command(alone, "killed", "--steps", "6", "--checkpoint-steps", "2", "--processes", "2")
    run = subprocess.Popen(words, env=environment(alone), stderr=subprocess.PIPE, text=True)
    wait_for(alone / "killed" / "checkpoints" / "00000002")
    os.kill(max(children(run.pid)), signal.SIGKILL)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 2
    assert said.splitlines()[-1].startswith("One of the 2 processes failed")
    assert not children(run.pid)
    more = train(alone, "killed", "--resume", "--steps", "6", "--processes", "2")
    assert more.returncode == 0, more.stderr
    assert [line[:2] for line in losses(alone / "killed")] == [line[:2] for line in losses(alone / "alone")]
    assert_close(weights(alone / "killed"), weights(alone / "alone"))


@pytest.mark.slow
def test_processes_leave_alone_what_their_task_does_not_use_and_go_on_where_one_was(tmp_path: Path) -> None:
    write_mini8(tmp_path / "mini8")
    train(tmp_path, "run", "--steps", "3")
    before = weights(tmp_path / "run")
    more = train(tmp_path, "run", "--resume", "--steps", "4", "--keep", "1", "--processes", "2")
    assert more.returncode == 0, more.stderr
    task = losses(tmp_path / "run")[3][0]
    after = weights(tmp_path / "run")
    for other, prefixes in OWN.items():
        for name in (name for name in before if name.startswith(prefixes)):
            assert torch.equal(before[name], after[name]) == (other != task), name


@pytest.mark.slow
def test_bad_moments_of_several_processes_are_those_of_the_run(alone: Path) -> None:
    wild = ("--processes", "2", "--steps", "99", "--learning-rate", "1e30", "--warm-up", "0")
    done = train(alone, "wild", *wild)
    run = alone / "wild"
    assert done.returncode == 2
    assert f"again after {ROLLBACKS} roll-backs" in done.stderr, done.stderr
    found = incidents(run)
    assert [one.kind for one in found].count("roll-back") == ROLLBACKS
    assert len(kept_steps(run)) == 2 * MOST_KEPT
    step, _ = kept_steps(run)[-1]
    shares = [replay(run, step, rank) for rank in range(2)]
    assert [share.incident.step for share in shares] == [step, step]
    assert all(share.loss != share.loss for share in shares), "with the weights of that time"
    assert len(list((run / "incidents").glob("*/model.safetensors"))) == MOST_KEPT, "both have the same"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"RANK": "1"}, True),
        ({"RANK": "1", "TORCHELASTIC_RUN_ID": "7"}, False),
        ({"RANK": "0", "TORCHELASTIC_RUN_ID": "7"}, True),
    ],
)
def test_a_process_that_torchrun_did_not_start_is_the_first(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool
) -> None:
    for name in ("RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first() is expected


def test_a_process_that_cannot_train_ends_all_with_one_sentence(tmp_path: Path) -> None:
    failed = train(tmp_path, "run", "--steps", "3", "--processes", "2")
    assert failed.returncode == 2
    assert "multimodel data build mini8" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("One of the 2 processes failed")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_of_a_batch_are_the_batch(count: int) -> None:
    config = toy_config(("en-de",))
    whole = make_streams(config, Console(quiet=True))["en-de"]
    parts: list[Stream] = [
        make_streams(config, Console(quiet=True), Processes(rank, count))["en-de"] for rank in range(count)
    ]
    for position in range(9):
        expected, found = whole.batch(position), [part.batch(position) for part in parts]
        assert sum(batch.symbols for batch in found) == expected.symbols
        sentences = sorted(
            tuple(row[real].tolist())
            for batch in found
            if batch.symbols
            for row, real in zip(batch.targets, batch.target_mask, strict=True)
        )
        rows = zip(expected.targets, expected.target_mask, strict=True)
        assert sentences == sorted(tuple(row[real].tolist()) for row, real in rows)
        assert all(len(batch) for batch in found), "a share without examples is a batch without targets"


def test_one_process_asks_nobody() -> None:
    alone, model = Processes(), torch.nn.Linear(1, 1)
    assert alone.first
    assert alone.wrap(model) is model
    assert alone.total(2, 0.5) == [2, 0.5]
    assert (alone.most(3), alone.most(0)) == (3, 0)


@pytest.mark.parametrize(("exitcode", "expected"), [(130, 130), (143, 143), (1, 2)])
def test_how_one_process_ended_is_how_all_did(monkeypatch: pytest.MonkeyPatch, exitcode: int, expected: int) -> None:
    def interrupted(words: list[str]) -> None:
        failure = ProcessFailure(local_rank=0, pid=1, exitcode=exitcode, error_file="")
        raise ChildFailedError("multimodel", {0: failure})

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("torch.distributed.run.main", interrupted)
    assert code_of(["train", "tiny", "--out", "run", "--processes", "2"]) == expected


def code_of(words: list[str]) -> int:
    try:
        return cli.main(words)
    except SystemExit as left:
        return int(left.code or 0)


@pytest.mark.slow
def test_several_processes_that_are_asked_to_end_save_and_go_on(alone: Path) -> None:
    words = command(alone, "asked", "--steps", "6", "--checkpoint-steps", "2", "--processes", "2")
    run = subprocess.Popen(words, env=environment(alone), stderr=subprocess.PIPE, text=True)
    wait_for(alone / "asked" / "checkpoints" / "00000002")
    run.terminate()
    _, said = run.communicate(timeout=300)
    assert run.returncode == 143, said
    assert "`--resume` goes on from there." in said
    assert "Traceback" not in said
    more = train(alone, "asked", "--resume", "--steps", "6", "--processes", "2")
    assert more.returncode == 0, more.stderr
    assert [line[:2] for line in losses(alone / "asked")] == [line[:2] for line in losses(alone / "alone")]
    assert_close(weights(alone / "asked"), weights(alone / "alone"))


def test_more_processes_than_gpus_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.distributed.run.main", lambda words: pytest.fail("started"))
    assert cli.main(["train", "tiny", "--out", "run", "--processes", "2"]) == 2
    assert capsys.readouterr().err.strip() == "There are 1 GPUs here, too few for --processes 2."
