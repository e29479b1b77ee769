"""Steps that are skipped: which layer and examples are blamed, what is kept, how it is repeated."""

import json
import math
from pathlib import Path

import pytest
import torch
from runs import CPU, found_in, toy_config, toy_trainer
from spoiled import TASKS, log, name_of, spoil

from multimodel import cli
from multimodel.training import checkpoint
from multimodel.training.blame import Blame, blame, repeated
from multimodel.training.incidents import MOST_KEPT, incidents, kept_steps
from multimodel.training.lines import add_line, read_lines, strict
from multimodel.training.replay import replay
from multimodel.training.train import train
from multimodel.training.trainer import Trainer


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


def blamed(trainer: Trainer) -> Blame:
    """What a step of the trainer would be blamed on."""
    batches = trainer.next_batches(["en-de"])[1]
    return blame(trainer.model, batches, repeated(trainer.model, trainer.settings, trainer.seed))


def test_the_step_with_a_damaged_example_is_skipped_and_the_example_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(TASKS, steps=12)
    spoil(monkeypatch, 5)
    place = train(config, tmp_path, device=CPU)
    lines = log(tmp_path)
    bad = [line for line in lines if line["skipped"]]
    assert len(lines) == 12
    assert bad
    assert all(line["task"] == "speech" and line["loss"] is None for line in bad)
    (first, *others) = incidents(tmp_path)
    assert len(others) == len(bad) - 1
    assert first.step == bad[0]["step"]
    assert first.details["layer"] == "inputs of the batch 0"
    losses = {example["id"]: example["loss"] for example in first.details["examples"]}
    culprit = name_of(config, 5)
    assert [name for name, loss in losses.items() if loss is None] == [culprit]
    assert len(losses) == bad[0]["examples"]
    assert f"! step {first.step} of speech was skipped: its loss is nan" in capsys.readouterr().err
    assert f"examples {culprit}" in first.what
    assert all(value.isfinite().all() for value in checkpoint.read_weights(place).values())
    assert checkpoint.load_state(place).skipped == len(bad)


def test_a_skipped_step_can_be_repeated_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = found_in(toy_config(TASKS, steps=12), tmp_path / "mini8")
    with monkeypatch.context() as patch:
        spoil(patch, 5)
        train(config, tmp_path / "run", device=CPU)
    noted = next(one for one in incidents(tmp_path / "run") if one.step == kept_steps(tmp_path / "run")[-1][0])
    found = replay(tmp_path / "run", noted.step)
    assert json.dumps(found.incident.details) == json.dumps(noted.details)
    assert found.loss != found.loss
    assert found.blame.layer == noted.details["layer"]
    then = [(one["loss"], one["gradient_norm"]) for one in noted.details["examples"]]
    assert strict(list(zip(found.blame.losses, found.blame.norms, strict=True))) == [list(one) for one in then]
    assert {loss is None for loss, _ in then} == {True, False}, "one is no number, the others are"


def test_the_layer_that_first_writes_no_number_is_named() -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    name = "decoder.layers.0.block.step1.norm.weight"
    weight = dict(trainer.model.named_parameters())[name]
    with torch.no_grad():
        weight.fill_(3e38)
    layer = blamed(trainer).layer
    assert layer.startswith("decoder.layers.0.block")
    assert name.startswith(layer)
    with torch.no_grad():
        weight.fill_(torch.inf)
    assert blamed(trainer).layer == f"weights of {name}"


def test_only_the_last_few_skipped_steps_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 1, 2, 3)
    train(toy_config(("speech",), steps=24), tmp_path, device=CPU)
    skipped = [line["step"] for line in log(tmp_path) if line["skipped"]]
    assert len(skipped) > MOST_KEPT
    assert kept_steps(tmp_path) == [(step, 0) for step in skipped[-MOST_KEPT:]]


def test_the_command_lists_incidents_and_repeats_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = found_in(toy_config(TASKS, steps=12), tmp_path / "mini8")
    with monkeypatch.context() as patch:
        spoil(patch, 5)
        train(config, tmp_path / "run", device=CPU)
    capsys.readouterr()
    step, _ = kept_steps(tmp_path / "run")[-1]
    assert cli.main(["replay", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "What went wrong" in out
    assert f"multimodel replay {tmp_path / 'run'} --step {step}" in out
    assert cli.main(["replay", str(tmp_path / "run"), "--step", str(step)]) == 0
    out = capsys.readouterr().out
    assert "Repeated: loss nan" in out
    rows = [line for line in out.splitlines() if "toy-" in line and "│" in line]
    assert name_of(config, 5) in rows[0]
    assert "nan" in rows[0]
    assert cli.main(["replay", str(tmp_path / "run"), "--step", "999"]) == 2
    assert f"cannot repeat step 999: of the steps it skipped it has kept {step}" in capsys.readouterr().err


def test_a_run_where_nothing_went_wrong_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(toy_config(("en-de",), steps=1), tmp_path, device=CPU)
    assert cli.main(["replay", str(tmp_path)]) == 0
    assert "Nothing went wrong" in capsys.readouterr().out
    assert cli.main(["replay", str(tmp_path / "nowhere")]) == 2


def test_lines_after_one_that_was_cut_off_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    add_line(path, {"a": 1})
    path.write_bytes(path.read_bytes() + b'{"a": 2, "b"')
    add_line(path, {"a": "\u2028", "b": math.nan})
    assert read_lines(path) == [{"a": 1}, {"a": "\u2028", "b": None}]
