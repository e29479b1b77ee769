"""Bad moments: steps that are skipped, blamed and repeated; roll-backs; memory that is short; experts that collapse."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import CPU, SIZES, found_in, toy_config, toy_trainer, weights

from multimodel import cli
from multimodel.batch import Batch
from multimodel.errors import InputError
from multimodel.layers.experts import ExpertUse
from multimodel.model import MultiModel, Output
from multimodel.tasks import batching
from multimodel.tasks.encoded import Encoded
from multimodel.tasks.task import TRAIN, Task
from multimodel.training import checkpoint
from multimodel.training.collapse import STEPS, ExpertUseOverTime
from multimodel.training.health import (
    EXPLODING,
    IN_A_ROW,
    RECOVERED,
    ROLLBACKS,
    after_bad,
    after_good,
    trouble,
    troubles,
)
from multimodel.training.incidents import MOST_KEPT, incidents, kept_steps
from multimodel.training.lines import add_line, read_lines, strict
from multimodel.training.replay import replay
from multimodel.training.run_config import RunConfig
from multimodel.training.state import State
from multimodel.training.train import train
from multimodel.training.watch import blame_of

TASKS = ("speech", "en-de")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


def spoil(monkeypatch: pytest.MonkeyPatch, *rows: int) -> None:
    """Sounds of speech with these rows, all without any, are no numbers from the moment on that they are in a batch."""
    collate = batching.collate

    def spoiled(task: Task, encoded: Encoded, indices: Any) -> Batch:
        batch = collate(task, encoded, indices)
        bad = [place for place, row in enumerate(encoded.rows[indices]) if not rows or row in rows]
        if task.name == "speech" and bad:
            inputs = batch.inputs.clone()
            inputs[bad] = torch.nan
            return replace(batch, inputs=inputs)
        return batch

    monkeypatch.setattr(batching, "collate", spoiled)


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def stable(run: Path) -> list[dict[str, Any]]:
    """The log without times."""
    return [{key: value for key, value in line.items() if key not in ("seconds", "waiting")} for line in log(run)]


def name_of(config: RunConfig, row: int) -> str:
    speech = next(task for task in config.tasks if task.name == "speech")
    return str(speech.examples[TRAIN][row].id)


@pytest.mark.parametrize(
    ("loss", "norm", "usual", "words"),
    [
        (float("nan"), 1.0, 1.0, "its loss is nan"),
        (float("inf"), 1.0, None, "its loss is inf"),
        (1.0, float("inf"), 1.0, "norm of its gradients is inf"),
        (1.0, EXPLODING * 2.5, 2.0, "is 250, where 2 is usual"),
    ],
)
def test_what_forbids_a_step_is_said(loss: float, norm: float, usual: float | None, words: str) -> None:
    assert words in trouble(loss, norm, usual, 2.0)


@pytest.mark.parametrize("usual", [None, 1.0])
def test_large_gradients_are_left_to_clipping(usual: float | None) -> None:
    assert trouble(9.0, EXPLODING - 1, usual, 2.0) == ""


def test_an_exploding_step_is_not_taken() -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    usual = trainer.step().gradient_norm
    with torch.no_grad():
        for value in trainer.model.decoder.parameters():
            value.mul_(1e3)
    before = weights(trainer)
    report = trainer.step()
    assert report.gradient_norm > EXPLODING * usual
    assert "where" in report.skipped
    assert all(torch.equal(value, before[name]) for name, value in weights(trainer).items())


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
    layer = blame_of(trainer, trainer.next_batches(["en-de"])[1]).layer
    assert layer.startswith("decoder.layers.0.block")
    assert name.startswith(layer)
    with torch.no_grad():
        weight.fill_(torch.inf)
    assert blame_of(trainer, trainer.next_batches(["en-de"])[1]).layer == f"weights of {name}"


def test_only_the_last_few_skipped_steps_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 1, 2, 3)
    train(toy_config(("speech",), steps=24), tmp_path, device=CPU)
    skipped = [line["step"] for line in log(tmp_path) if line["skipped"]]
    assert len(skipped) > MOST_KEPT
    assert kept_steps(tmp_path) == [(step, 0) for step in skipped[-MOST_KEPT:]]


def test_a_run_with_skipped_steps_is_resumed_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 5, 9)
    straight = train(toy_config(TASKS, steps=16), tmp_path / "straight", device=CPU)
    halfway = toy_config(TASKS, steps=16, checkpoint_steps=3, keep=9)
    broken = tmp_path / "broken"
    train(halfway, broken, device=CPU)
    for place in checkpoint.checkpoints(broken)[3:]:
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
    resumed = train(halfway, broken, resume=True, device=CPU)
    for file in (checkpoint.MODEL, checkpoint.OPTIMISER):
        assert (resumed / file).read_bytes() == (straight / file).read_bytes()
    assert stable(broken) == stable(tmp_path / "straight")


def test_after_several_failures_in_a_row_training_goes_back_and_on_more_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sounds are spoiled for as long as the learning rate is the first one."""
    spoil_now: list[bool] = [True]
    collate = batching.collate

    def spoiled(task: Task, encoded: Encoded, indices: Any) -> Batch:
        batch = collate(task, encoded, indices)
        if task.name == "speech" and spoil_now[0]:
            return replace(batch, inputs=torch.full_like(batch.inputs, torch.nan))
        return batch

    def rolled_back(path: Path, model: torch.nn.Module) -> None:
        load(path, model)
        spoil_now[0] = False

    load = checkpoint.load_weights
    monkeypatch.setattr(batching, "collate", spoiled)
    monkeypatch.setattr(checkpoint, "load_weights", rolled_back)
    place = train(toy_config(TASKS, steps=30, checkpoint_steps=5, decay="none", warm_up=1), tmp_path, device=CPU)
    lines = log(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 31)), "each step is logged once"
    (went,) = [one for one in incidents(tmp_path) if one.kind == "roll-back"]
    assert went.what in capsys.readouterr().err
    state = checkpoint.load_state(place)
    assert (state.slowing, state.skipped) == (0.5, IN_A_ROW)
    back = int(went.what.split("back from step ")[1].split(" to step ")[1].split(",")[0])
    assert back == 0, "at step 5 speech was failing already"
    rates = [line["learning_rate"] for line in lines]
    assert set(rates) == {0.0025}, "half of what it was: the steps at 0.005 are forgotten"
    positions = [line["position"] for line in lines if line["task"] == "en-de"]
    assert positions == sorted(set(positions)), "no batch is taken twice"
    assert len(positions) < positions[-1] + 1, "those of the steps that were forgotten are not taken again"


def test_a_run_that_cannot_recover_ends_with_an_account_and_can_go_on_when_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = found_in(toy_config(TASKS, steps=60, checkpoint_steps=3), tmp_path / "mini8")
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        spoil(patch)
        with pytest.raises(
            InputError, match=rf"on speech diverged at step \d+, again after {ROLLBACKS} roll-backs"
        ) as told:
            train(config, run, device=CPU)
    assert "\n" not in str(told.value)
    assert f"multimodel replay {run}" in str(told.value)
    assert [one.kind for one in incidents(run)].count("roll-back") == ROLLBACKS
    newest = checkpoint.latest(run)
    assert checkpoint.load_state(newest).rollbacks == ROLLBACKS
    assert train(config, run, resume=True, device=CPU).name == "00000060"


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int, error: RuntimeError) -> None:
    forward = MultiModel.forward

    def limited(self: MultiModel, batch: Batch) -> Output:
        if len(batch) > most:
            raise error
        return forward(self, batch)

    monkeypatch.setattr(MultiModel, "forward", limited)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_where_memory_is_short_a_batch_is_worked_through_in_pieces(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    plain = replace(SIZES, dropout=0.0, mixture="dense")
    whole, cut = (toy_trainer(toy_config(("en-de",), plain, batch_examples=8)) for _ in range(2))
    expected = [whole.step() for _ in range(3)]
    short_of_memory(monkeypatch, 3, error)
    found = [cut.step() for _ in range(3)]
    assert cut.state.pieces == {"en-de": 4}
    assert [report.loss for report in found] == pytest.approx([report.loss for report in expected], rel=1e-4)
    assert [report.drawn for report in found] == [report.drawn for report in expected]
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(cut)[name], value, atol=1e-3, rtol=1e-3, msg=name)


def test_where_not_even_one_example_fits_it_is_said_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    short_of_memory(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(InputError, match="Memory is short in a batch of task en-de: lower --batch-cost 512"):
        trainer.step()


def test_other_errors_are_not_taken_for_short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    short_of_memory(monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="multiplied"):
        trainer.step()


def use(*importance: float) -> ExpertUse:
    gates = torch.tensor(importance)
    return ExpertUse(gates, gates, torch.zeros(()))


def alarms(watch: ExpertUseOverTime, uses: Sequence[ExpertUse], task: str = "en-de") -> list[str]:
    return [alarm for _ in range(STEPS + 50) for alarm in watch.add(task, uses)]


def test_experts_that_are_all_used_raise_no_alarm() -> None:
    assert not alarms(ExpertUseOverTime(1, ["en-de"]), [use(1, 1, 1, 1), use(5, 1, 3, 2)])


def test_a_gate_that_sends_all_to_the_same_experts_raises_one_alarm() -> None:
    found = alarms(ExpertUseOverTime(1, ["en-de"]), [use(1, 1, 1, 1), use(99, 0.1, 0.2, 0.1)])
    assert found[0] == "mixture 2: nearly all of en-de goes to the same 1 of 4 experts"
    assert len(found) == len(set(found))


def test_experts_that_no_task_uses_raise_an_alarm_and_others_may_specialise() -> None:
    watch = ExpertUseOverTime(1, ["en-de", "parse"])
    uses = {"en-de": use(5, 5, 0, 0, 0, 0), "parse": use(0, 0, 5, 5, 5, 5)}
    found = [alarm for _ in range(STEPS + 50) for task, one in uses.items() for alarm in watch.add(task, [one])]
    assert not found
    assert alarms(ExpertUseOverTime(1, ["en-de"]), [use(5, 5, 0, 0, 0, 0)]) == [
        "mixture 1: more than half of its 6 experts are hardly used"
    ]


def test_collapsed_experts_are_noted_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multimodel.training.collapse.STEPS", 3)
    busiest = torch.zeros(5)
    busiest[0] = 1.0
    forward = MultiModel.forward

    def collapsed(self: MultiModel, batch: Batch) -> Output:
        output = forward(self, batch)
        return output._replace(use=tuple(one._replace(importance=busiest) for one in output.use))

    monkeypatch.setattr(MultiModel, "forward", collapsed)
    train(toy_config(("en-de",), replace(SIZES, experts=5), steps=4), tmp_path, device=CPU)
    found = incidents(tmp_path)
    assert {one.kind for one in found} == {"experts"}
    assert found[0].what == "mixture 1: nearly all of en-de goes to the same 2 of 5 experts"


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


def test_steps_that_failed_together_are_blamed_on_those_whose_loss_is_no_number() -> None:
    state = State(positions={}, averages={})
    assert troubles(state, ["a", "b"], [1.0, math.nan], math.nan, 2.0) == ["", "its loss is nan"]
    assert troubles(state, ["a", "b"], [1.0, 2.0], 3.0, 2.0) == ["", ""]


def test_gradients_that_are_not_clipped_do_not_explode() -> None:
    """A task that is nearly learned has tiny gradients; a hundred times as much is still nothing."""
    assert trouble(0.5, 0.9, 0.005, 2.0) == ""
    assert trouble(0.5, 2.1, 0.005, 2.0)


def test_a_task_is_well_again_after_many_good_steps_and_not_by_a_few() -> None:
    state = State(positions={}, averages={}, rollbacks=2, diverged="a")
    for _ in range(RECOVERED - 1):
        after_good(state, "a", 1.0)
        after_good(state, "b", 1.0)
    assert state.rollbacks == 2
    after_bad(state, "a")
    for _ in range(RECOVERED):
        after_good(state, "a", 1.0)
    assert (state.rollbacks, state.diverged) == (0, "")


def test_no_checkpoint_is_written_while_a_task_is_failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However seldom its turn comes: else training would go back to weights that may be what is wrong."""
    config = toy_config(TASKS, steps=400, checkpoint_steps=2, rates={"speech": 0.2})
    spoil(monkeypatch)
    with pytest.raises(InputError, match=f"again after {ROLLBACKS} roll-backs"):
        train(config, tmp_path, device=CPU)
    assert not checkpoint.load_state(checkpoint.latest(tmp_path)).failing


def test_a_checkpoint_whose_held_out_loss_is_no_number_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimodel.training.held_out.summed_loss", lambda *_: torch.tensor(torch.nan))
    place = train(toy_config(("en-de",), steps=2), tmp_path, device=CPU)
    assert checkpoint.load_state(place).held_out == {}
    train(toy_config(("en-de",), steps=3), tmp_path, resume=True, device=CPU)


def test_a_step_that_fails_after_memory_was_short_is_blamed_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, 5)
    short_of_memory(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory."))
    train(toy_config(TASKS, steps=12, held_out=0), tmp_path, device=CPU)
    assert {one.kind for one in incidents(tmp_path)} == {"memory", "skipped"}


def test_lines_after_one_that_was_cut_off_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    add_line(path, {"a": 1})
    path.write_bytes(path.read_bytes() + b'{"a": 2, "b"')
    add_line(path, {"a": "\u2028", "b": math.nan})
    assert read_lines(path) == [{"a": 1}, {"a": "\u2028", "b": None}]
