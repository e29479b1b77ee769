"""The alarm for experts that collapse."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from runs import CPU, SIZES, toy_config

from multimodel.batch import Batch
from multimodel.layers.experts import ExpertUse
from multimodel.model import MultiModel, Output
from multimodel.training.collapse import STEPS, ExpertUseOverTime
from multimodel.training.incidents import incidents
from multimodel.training.train import train


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


def use(*importance: float) -> ExpertUse:
    gates = torch.tensor(importance)
    return ExpertUse(gates, gates, torch.zeros(()))


def alarms(watch: ExpertUseOverTime, uses: Sequence[ExpertUse], task: str = "en-de") -> list[str]:
    return [alarm for _ in range(STEPS + 50) for alarm in watch.add(task, uses)]


def test_experts_that_are_all_used_raise_no_alarm() -> None:
    assert not alarms(ExpertUseOverTime(1, ["en-de"]), [use(1, 1, 1, 1), use(5, 1, 3, 2)])


def test_a_gate_that_sends_all_to_the_same_experts_is_told_once() -> None:
    found = alarms(ExpertUseOverTime(1, ["en-de"]), [use(1, 1, 1, 1), use(99, 0.1, 0.2, 0.1)])
    assert found == [
        "mixture 2: nearly all of en-de goes to the same 1 of 4 experts",
        "mixture 2: more than half of its 4 experts are hardly used",
    ]


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
