"""Bad moments: steps that are skipped, roll-backs, and runs that are given up."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import CPU, found_in, toy_config, toy_trainer, weights
from spoiled import TASKS, log, spoil
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from multimodel.batch import Batch
from multimodel.errors import InputError
from multimodel.tasks import batching
from multimodel.tasks.encoded import Encoded
from multimodel.tasks.task import Task
from multimodel.training import checkpoint
from multimodel.training.health import (
    EXPLODING,
    IN_A_ROW,
    RECOVERED,
    ROLLBACKS,
    after_bad,
    after_good,
    failed_too_often,
    given_up,
    rolled_back,
    taken_up,
    trouble,
    troubles,
)
from multimodel.training.incidents import incidents
from multimodel.training.processes import Processes
from multimodel.training.run_config import RunConfig
from multimodel.training.state import State
from multimodel.training.train import train


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


def stable(run: Path) -> list[dict[str, Any]]:
    """The log without times."""
    return [{key: value for key, value in line.items() if key not in ("seconds", "waiting")} for line in log(run)]


@pytest.mark.parametrize(
    ("loss", "norm", "usual", "words"),
    [
        (float("nan"), 1.0, 1.0, "its loss is nan"),
        (float("inf"), 1.0, None, "its loss is inf"),
        (1.0, float("inf"), None, "norm of its gradients is inf"),
        (1.0, float("nan"), 1.0, "norm of its gradients is nan"),
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
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("learning_rate")] == list(range(1, 31))
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
    assert given_up(checkpoint.load_state(newest))
    assert train(config, run, resume=True, device=CPU).name == "00000060"


def test_a_run_that_is_stopped_after_its_last_roll_back_is_not_given_up() -> None:
    first = State(positions={"a": 0, "b": 0}, averages={"a": 9.0, "b": 9.0})
    tried = replace(first, rollbacks=ROLLBACKS, slowing=0.125, diverged="a", recovered=3)
    assert taken_up(tried, first) == tried
    over = replace(tried, rollbacks=ROLLBACKS + 1)
    assert taken_up(over, first) == first


def test_the_troubles_of_a_task_that_rests_are_over() -> None:
    state = State(
        positions={"a": 5, "b": 3}, averages={"a": 1.0, "b": 2.0}, failing={"a": 2, "b": 1}, rollbacks=2, diverged="a"
    )
    rested = taken_up(state, State(positions={"b": 0}, averages={"b": 9.0}))
    assert (rested.failing, rested.rollbacks, rested.diverged) == ({"b": 1}, 0, "")
    assert rested.positions == {"a": 5, "b": 3}


def test_a_step_that_several_processes_took_on_one_task_counts_once() -> None:
    class Two(Processes):
        def each(self, value: float) -> list[float]:
            return [value, value]

        def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
            return model

    trainer = toy_trainer(toy_config(("en-de", "speech"), placement="task-per-rank"))
    trainer.processes = Two(rank=0, count=2)
    trainer.settle(0.1, ["en-de", "en-de"], 1.0, math.inf)
    assert (trainer.state.failing, trainer.state.skipped) == ({"en-de": 1}, 1)
    trainer.settle(0.1, ["en-de", "speech"], math.nan, math.nan)
    assert trainer.state.failing == {"en-de": 2, "speech": 1}


def test_steps_that_failed_together_are_blamed_on_those_whose_loss_is_no_number() -> None:
    state = State(positions={}, averages={})
    assert troubles(state, ["a", "b"], [1.0, math.nan], math.nan, 2.0) == ["", "its loss is nan"]
    assert troubles(state, ["a", "b"], [1.0, 2.0], 3.0, 2.0) == ["", ""]


def test_gradients_that_are_not_clipped_do_not_explode() -> None:
    """A task that is nearly learned has tiny gradients; a hundred times as much is still nothing."""
    assert trouble(0.5, 0.9, 0.005, 2.0) == ""
    assert trouble(0.5, 2.1, 0.005, 2.0)


def test_what_is_usual_follows_the_good_steps_slowly() -> None:
    state = State(positions={}, averages={})
    for norm in (1.0, 3.0):
        after_good(state, "a", norm)
    assert state.norms == {"a": pytest.approx(1.2)}


def test_only_failures_in_a_row_are_a_divergence() -> None:
    state = State(positions={}, averages={})
    for _ in range(IN_A_ROW - 1):
        after_bad(state, "a")
    after_good(state, "b", 1.0)
    assert failed_too_often(state) == ""
    after_good(state, "a", 1.0)
    for _ in range(IN_A_ROW - 1):
        after_bad(state, "a")
    assert failed_too_often(state) == ""
    after_bad(state, "a")
    assert failed_too_often(state) == "a"


def test_after_going_back_weights_are_old_and_what_was_seen_is_not() -> None:
    good = State(step=4, seconds=2.0, positions={"a": 3}, averages={"a": 1.5}, norms={"a": 0.5})
    now = State(
        step=9,
        seconds=5.0,
        positions={"a": 8},
        averages={"a": 0.5},
        skipped=7,
        failing={"a": IN_A_ROW},
        rollbacks=1,
        recovered=3,
        slowing=0.5,
        pieces={"a": 2},
    )
    assert rolled_back(good, now) == State(
        step=4,
        seconds=5.0,
        positions={"a": 8},
        averages={"a": 1.5},
        norms={"a": 0.5},
        skipped=7,
        rollbacks=2,
        diverged="a",
        slowing=0.25,
        pieces={"a": 2},
    )


def test_a_task_is_well_again_after_many_good_steps_and_not_by_a_few() -> None:
    state = State(positions={}, averages={}, rollbacks=2, diverged="a")
    for _ in range(RECOVERED - 1):
        after_good(state, "a", 1.0)
        after_good(state, "b", 1.0)
    assert state.rollbacks == 2
    after_bad(state, "a")
    for _ in range(RECOVERED - 1):
        after_good(state, "a", 1.0)
    assert state.rollbacks == 2
    after_good(state, "a", 1.0)
    assert (state.rollbacks, state.diverged) == (0, "")


def test_no_checkpoint_is_written_while_a_task_is_failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However seldom its turn comes: else training would go back to weights that may be what is wrong."""
    config = toy_config(TASKS, steps=400, checkpoint_steps=2, rates={"speech": 0.2})
    spoil(monkeypatch)
    failing, save = [], checkpoint.save

    def noted(run: Path, config: RunConfig, model: Any, optimiser: Any, state: State) -> Path:
        failing.append(dict(state.failing))
        return save(run, config, model, optimiser, state)

    monkeypatch.setattr(checkpoint, "save", noted)
    with pytest.raises(InputError, match=f"again after {ROLLBACKS} roll-backs"):
        train(config, tmp_path, device=CPU)
    assert len(failing) > ROLLBACKS
    assert not any(failing)


def test_a_checkpoint_whose_held_out_loss_is_no_number_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimodel.training.held_out.summed_loss", lambda *_: torch.tensor(torch.nan))
    place = train(toy_config(("en-de",), steps=2), tmp_path, device=CPU)
    assert checkpoint.load_state(place).held_out == {}
    train(toy_config(("en-de",), steps=3), tmp_path, resume=True, device=CPU)
