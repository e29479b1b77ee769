"""Several processes on shares of every batch: the same steps as one process takes, and the same idle weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from runs import toy_config, write_mini8
from safetensors.torch import load_file
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from multimodel import cli
from multimodel.tasks.batching import Stream
from multimodel.training.processes import Processes
from multimodel.training.train import make_streams

# no noise and no batch-wide balance loss: what is left is the same sum in another order
EXACT = ["--model.mixture", "dense", "--model.dropout", "0", "--threads", "1", "--batch-cost", "256"]


def train(folder: Path, out: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "multimodel", "train", "tiny", "--data-folder", str(folder / "mini8")]
    command += ["--out", str(folder / out), "--tasks", "en-de,imageclass,parse", *EXACT, *words]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def losses(run: Path) -> list[tuple[str, float, int, int]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [(line["task"], round(line["loss"], 3), line["examples"], line["symbols"]) for line in lines]


def weights(run: Path) -> dict[str, torch.Tensor]:
    (checkpoint,) = (run / "checkpoints").glob("0*")
    return load_file(checkpoint / "model.safetensors")


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    write_mini8(tmp_path / "mini8")
    alone = train(tmp_path, "alone", "--steps", "6")
    assert alone.returncode == 0, alone.stderr
    together = train(tmp_path, "together", "--steps", "6", "--processes", "2")
    assert together.returncode == 0, together.stderr
    assert together.stdout.count("Trained:") == 1
    assert losses(tmp_path / "together") == losses(tmp_path / "alone")
    one, two = weights(tmp_path / "alone"), weights(tmp_path / "together")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=2e-3, rtol=2e-3, msg=name)


@pytest.mark.slow
def test_processes_leave_alone_what_their_task_does_not_use_and_go_on_where_one_was(tmp_path: Path) -> None:
    write_mini8(tmp_path / "mini8")
    train(tmp_path, "run", "--steps", "3")
    before = weights(tmp_path / "run")
    more = train(tmp_path, "run", "--resume", "--steps", "4", "--keep", "1", "--processes", "2")
    assert more.returncode == 0, more.stderr
    task = losses(tmp_path / "run")[3][0]
    own = {
        "imageclass": ("nets.image.", "nets.fashion."),
        "en-de": ("commands.to-german",),
        "parse": ("commands.to-parse",),
    }
    after = weights(tmp_path / "run")
    for other, prefixes in own.items():
        for name in (name for name in before if name.startswith(prefixes)):
            assert torch.equal(before[name], after[name]) == (other != task), name


@pytest.mark.slow
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
    assert (alone.any(True), alone.any(False)) == (True, False)


def test_ctrl_c_in_one_process_is_an_interruption_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(words: list[str]) -> None:
        failure = ProcessFailure(local_rank=0, pid=1, exitcode=130, error_file="")
        raise ChildFailedError("multimodel", {0: failure})

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("torch.distributed.run.main", interrupted)
    assert cli.main(["train", "tiny", "--out", "run", "--processes", "2"]) == 130


def test_more_processes_than_gpus_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.distributed.run.main", lambda words: pytest.fail("started"))
    assert cli.main(["train", "tiny", "--out", "run", "--processes", "2"]) == 2
    assert capsys.readouterr().err.strip() == "There are 1 GPUs here, too few for --processes 2."
