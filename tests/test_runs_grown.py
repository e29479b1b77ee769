"""What a run becomes: one that learns further tasks, and a part of it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from declared_in_python import PRESET, colours, logits, parity, spelling, trained, weights

import multimodel
from multimodel import Adding, Category
from multimodel.errors import InputError
from multimodel.evaluation.score import score
from multimodel.tasks.encoded import encode_examples
from multimodel.training import checkpoint
from multimodel.training.adding import carry_over, grown_config
from multimodel.training.export import fired, write_part


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    return trained(tmp_path_factory)


@pytest.mark.parametrize("new", [colours, spelling])
def test_what_is_old_answers_bit_equal_where_all_of_it_is_frozen(run: Path, tmp_path: Path, new: object) -> None:
    old = run
    if new is spelling:  # a task that shares all nets with old ones and has only its command for itself
        old = tmp_path / "old"
        multimodel.train([parity(), parity("again")], old, preset=PRESET)
    multimodel.add(old, [new()], tmp_path / "new", Adding(freeze="old"), steps=3)
    before, after = weights(old), weights(tmp_path / "new")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(logits(old, parity()), logits(tmp_path / "new", parity()))
    assert after.keys() > before.keys()
    config = checkpoint.load_config(checkpoint.latest(tmp_path / "new"))
    assert [task.name for task in config.trained] == [new().name]
    torch.manual_seed(config.training.seed)
    fresh = config.build().state_dict()
    grown = [name for name in after if name not in before]
    assert any(not torch.equal(fresh[name], after[name]) for name in grown)


def test_a_frozen_body_does_not_move_and_old_nets_do(run: Path, tmp_path: Path) -> None:
    settings = Adding(freeze="body", rehearse=("parity",))
    declared = [dataclasses.replace(colours())]
    config = grown_config(_given(run), declared, settings)
    assert config.frozen == ("encoder", "mixer", "decoder")
    assert config.resting == ("spelling",)
    multimodel.add(run, declared, tmp_path / "new", settings, steps=4, old=[parity()])
    before, after = weights(run), weights(tmp_path / "new")
    body = [name for name in before if name.startswith(("encoder.", "mixer.", "decoder."))]
    assert body
    assert all(torch.equal(before[name], after[name]) for name in body)
    assert not torch.equal(before["nets.parity-even.output.weight"], after["nets.parity-even.output.weight"])
    assert torch.equal(before["commands.to-spelling"], after["commands.to-spelling"])


def _given(run: Path) -> checkpoint.RunConfig:
    """The run's configuration, its tasks' data given again."""
    config = checkpoint.load_config(checkpoint.latest(run))
    origins = {"parity": parity(), "spelling": spelling()}
    return dataclasses.replace(
        config, tasks=tuple(dataclasses.replace(task, origin=origins[task.name]) for task in config.tasks)
    )


def test_a_grown_model_starts_from_the_old_weights(run: Path) -> None:
    config = grown_config(_given(run), [colours()], Adding(rehearse=("none",)))
    model = config.build()
    carry_over(model, checkpoint.latest(run))
    before, after = weights(run), model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {name.split(".")[1] for name in after.keys() - before.keys()} == {"image", "colours-colour", "to-colours"}


def test_new_experts_come_after_the_old_ones(run: Path) -> None:
    config = grown_config(_given(run), [colours()], Adding(new_experts=3, rehearse=("none",)))
    assert config.model.experts == PRESET.model.experts + 3
    model = config.build()
    carry_over(model, checkpoint.latest(run))
    before, after = weights(run), model.state_dict()
    for layer in ("encoder.experts", "decoder.experts"):
        for name, axis in (("hidden", 0), ("output", 0), ("gate.gate", 1)):
            old, new = before[f"{layer}.{name}"], after[f"{layer}.{name}"]
            assert new.shape[axis] == old.shape[axis] + 3
            assert torch.equal(new.narrow(axis, 0, old.shape[axis]), old)


def test_rehearsed_tasks_get_half_of_the_steps(run: Path) -> None:
    config = grown_config(_given(run), [dataclasses.replace(colours(), rate=3.0), parity("again")], Adding())
    rates = {task.name: task.rate for task in config.tasks}
    assert rates["colours"] + rates["again"] == rates["parity"] + rates["spelling"]
    assert rates["colours"] == 3 * rates["again"]
    assert all(task.examples for task in config.trained)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda known: grown_config(known, [parity()], Adding()), "knows a task parity already"),
        (lambda known: grown_config(known, [colours()], Adding(rehearse=("paritty",))), "did you mean 'parity'"),
        (lambda known: Adding(new_experts=2, freeze="body"), "--adding.freeze nothing"),
        (lambda known: Adding(new_experts=-1), "0 or more"),
        (lambda known: grown_config(known, [colours()], Adding(freeze="old", rehearse=("parity",))), "leave out"),
        (
            lambda known: grown_config(
                known,
                [dataclasses.replace(parity("other"), output=Category("even", net="parity-even"))],
                Adding(freeze="old"),
            ),
            "a net or a command of its own",
        ),
        (
            lambda known: grown_config(
                known,
                [dataclasses.replace(spelling(), name="same", command="to-spelling")],
                Adding(freeze="old"),
            ),
            "nothing of its own",
        ),
    ],
)
def test_what_cannot_be_added_is_refused(run: Path, make: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make(_given(run))


def test_a_part_answers_as_the_whole_does(run: Path, tmp_path: Path) -> None:
    multimodel.export(run, ["spelling"], tmp_path / "part")
    assert torch.equal(logits(run, spelling()), logits(tmp_path / "part", spelling()))
    known = checkpoint.load_config(checkpoint.latest(tmp_path / "part"))
    assert [task.name for task in known.tasks] == ["spelling"]
    before, after = weights(run), weights(tmp_path / "part")
    assert {name for name in before if name not in after} == {
        name for name in before if name.startswith(("nets.parity-even.", "commands.to-parity"))
    }
    with pytest.raises(InputError, match="already holds a run"):
        multimodel.export(run, ["spelling"], tmp_path / "part")
    with pytest.raises(InputError, match="no task 'spell'"):
        multimodel.export(run, ["spell"], tmp_path / "other")


def test_experts_that_never_fire_are_left_out_and_nothing_changes(run: Path, tmp_path: Path) -> None:
    config = _given(run)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, experts=5))
    model = config.build().eval()
    for layer in (model.encoder.experts, model.decoder.experts):
        one, two = torch.randn(2, config.model.width)
        layer.gate.gate.data = torch.stack([one, torch.zeros_like(one), -one, two, -two], 1)  # two of four are above 0
    state = checkpoint.load_state(checkpoint.latest(run))
    whole = tmp_path / "whole"
    checkpoint.save(whole, config, model, torch.optim.AdamW(model.parameters()), state)
    task = multimodel.runs.with_data(config, [spelling()])[0]
    importance = score(model, task, encode_examples(task, "train")).importance
    assert all(layer[1] == 0 for layer in importance)
    write_part(checkpoint.latest(whole), config, ["spelling"], tmp_path / "part", importance)
    assert checkpoint.load_config(checkpoint.latest(tmp_path / "part")).model.experts == 4
    torch.testing.assert_close(logits(whole, spelling()), logits(tmp_path / "part", spelling()))


def test_the_experts_that_stay_are_those_used_and_equally_many_in_each_layer() -> None:
    kept = fired([np.array([0.0, 2.0, 1.0, 0.0, 3.0]), np.array([0.0, 0.0, 0.0, 5.0, 0.0])], 2)
    assert kept[0].tolist() == [1, 2, 4]
    assert 3 in kept[1]
    assert len(kept[1]) == 3


def test_a_model_that_learned_once_learns_again_and_its_experts_too(run: Path, tmp_path: Path) -> None:
    multimodel.add(run, [colours()], tmp_path / "one", Adding(new_experts=2, rehearse=("none",)), steps=2)
    model = multimodel.add(tmp_path / "one", [parity("again")], tmp_path / "two", Adding(rehearse=("none",)), steps=2)
    assert set(model.tasks) == {"parity", "spelling", "colours", "again"}
    assert checkpoint.load_config(checkpoint.latest(tmp_path / "two")).model.experts == PRESET.model.experts + 2
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert not torch.equal(one["encoder.experts.hidden"], two["encoder.experts.hidden"])


def test_a_part_of_a_run_with_rates_goes_on(tmp_path: Path) -> None:
    rates = dataclasses.replace(PRESET.training, rates={"parity": 2.0})
    multimodel.train([parity(), spelling()], tmp_path / "whole", preset=dataclasses.replace(PRESET, training=rates))
    multimodel.export(tmp_path / "whole", ["spelling"], tmp_path / "part")
    multimodel.train([spelling()], tmp_path / "part", steps=5, resume=True)
    state = checkpoint.load_state(checkpoint.latest(tmp_path / "part"))
    assert state.step == 5
    assert checkpoint.load_config(checkpoint.latest(tmp_path / "part")).training.learning_rate == rates.learning_rate
