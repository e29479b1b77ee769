"""Which checkpoints stay, what tells the best ones, and what a run says of its mixture."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from runs import CPU, toy_config, toy_trainer

from multimodel.evaluation.score import score
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.task import DEV
from multimodel.training import checkpoint
from multimodel.training.held_out import make_held_out
from multimodel.training.history import definition, note_mixture
from multimodel.training.keeping import MEAN, best, kept
from multimodel.training.train import make_streams, train

A, B, C, D = (Path(name) for name in ("1", "2", "3", "4"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


def test_the_best_of_each_task_and_of_the_mean_are_found() -> None:
    losses = {A: {"x": 1.0, "y": 9.0}, B: {"x": 2.0, "y": 2.0}, C: {"x": 3.0, "y": 1.5}, D: {"x": 3.0, "y": 1.5}}
    assert best(losses) == {MEAN: B, "x": A, "y": C}, "of equals the earlier"


def test_checkpoints_with_other_tasks_are_not_compared() -> None:
    assert best({A: {"x": 0.1}, B: {"x": 1.0, "y": 1.0}, C: {}}) == {MEAN: B, "x": B, "y": B}
    assert best({A: {}, B: {}}) == {}


def test_the_last_ones_and_the_best_ones_are_kept() -> None:
    losses = {A: {"x": 1.0}, B: {"x": 2.0}, C: {"x": 3.0}, D: {"x": 4.0}}
    assert kept(losses, 1) == {A, D}
    assert kept(losses, 2) == {A, C, D}
    assert kept({place: {} for place in losses}, 2) == {C, D}


def test_a_run_keeps_its_best_checkpoints_and_names_them(tmp_path: Path) -> None:
    config = toy_config(("en-de", "parse"), steps=12, checkpoint_steps=2, keep=1, learning_rate=0.05, decay="none")
    losses: dict[str, dict[str, float]] = {}
    save = checkpoint.save

    def noted(*arguments: object, **named: object) -> Path:
        place = save(*arguments, **named)  # type: ignore[arg-type]
        losses[place.name] = checkpoint.load_state(place).held_out
        return place

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", noted)
        train(config, tmp_path, device=CPU)
    named = json.loads((tmp_path / "best.json").read_text())
    scored = {step: found for step, found in losses.items() if found}
    assert set(scored) == {f"{step:08d}" for step in range(2, 13, 2)}
    for task in ("en-de", "parse"):
        assert named[task] == min(scored, key=lambda step: scored[step][task])
    assert named[MEAN] == min(scored, key=lambda step: sum(scored[step].values()))
    assert {place.name for place in checkpoint.checkpoints(tmp_path)} == {*named.values(), "00000012"}


def test_the_loss_on_held_out_examples_is_that_of_the_evaluation() -> None:
    config = toy_config(("speech", "imageclass", "en-de"), held_out=99)
    trainer = toy_trainer(config)
    trainer.step()
    found = make_held_out(config.trained, config.training).losses(trainer.model)
    for task in config.tasks:
        scored = score(trainer.model, task, encode_examples(task, DEV))
        assert found[task.name] == pytest.approx(scored.nats.sum() / scored.symbols.sum(), rel=1e-4)


def test_held_out_losses_neither_train_nor_draw(tmp_path: Path) -> None:
    """With and without them a run ends in the same weights."""
    some = train(toy_config(("en-de",), steps=4, checkpoint_steps=1, held_out=3), tmp_path / "some", device=CPU)
    none = train(toy_config(("en-de",), steps=4, checkpoint_steps=1, held_out=0), tmp_path / "none", device=CPU)
    assert (some / checkpoint.MODEL).read_bytes() == (none / checkpoint.MODEL).read_bytes()
    assert not json.loads((tmp_path / "none" / "best.json").read_text())


def test_tasks_without_held_out_examples_do_without(tmp_path: Path) -> None:
    config = toy_config(("en-de", "parse"), steps=2)
    tasks = tuple(
        replace(task, examples={"train": task.examples["train"]}) if task.name == "parse" else task
        for task in config.tasks
    )
    place = train(replace(config, tasks=tasks), tmp_path, device=CPU)
    assert checkpoint.load_state(place).held_out.keys() == {"en-de"}


def test_a_change_of_the_mixture_is_noted_with_its_step_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(("en-de", "parse"), steps=2)
    train(config, tmp_path, device=CPU)
    train(replace(config, training=replace(config.training, steps=3)), tmp_path, resume=True, device=CPU)
    assert len((tmp_path / "mixtures.jsonl").read_text().splitlines()) == 1
    assert "! from step" not in capsys.readouterr().err
    other = replace(config.training, steps=4, mixing="proportional")
    tasks = tuple(replace(task, rate=2.0) if task.name == "parse" else task for task in config.tasks)
    train(replace(config, training=other, tasks=tasks), tmp_path, resume=True, device=CPU)
    err = capsys.readouterr().err
    assert "! from step 4 on, rule: round-robin → proportional" in err
    assert "! from step 4 on, rate of parse: 1 → 2" in err
    lines = [json.loads(line) for line in (tmp_path / "mixtures.jsonl").read_text().splitlines()]
    assert [(line["after_step"], line["rule"]) for line in lines] == [(0, "round-robin"), (3, "proportional")]


def test_changed_data_is_named(tmp_path: Path) -> None:
    config = toy_config(("en-de", "parse"))
    trainer = toy_trainer(config)
    assert note_mixture(tmp_path, 0, definition(trainer.mixture, trainer.streams, trainer.settings)) == []
    (sentences,) = config.named(["en-de"])
    (first, *others) = sentences.examples["train"]
    changed = replace(sentences, examples={"train": [first._replace(input=others[0].input), *others]})
    tasks = tuple(changed if task is sentences else task for task in config.tasks)
    streams = make_streams(replace(config, tasks=tasks), Console(quiet=True))
    assert note_mixture(tmp_path, 5, definition(trainer.mixture, streams, trainer.settings)) == [
        "the data of en-de was changed (24 → 24 examples)"
    ]


def test_a_task_more_or_less_is_named(tmp_path: Path) -> None:
    one, two = (toy_trainer(toy_config(names)) for names in (("en-de",), ("en-de", "parse")))
    note_mixture(tmp_path, 0, definition(one.mixture, one.streams, one.settings))
    assert "parse is added" in note_mixture(tmp_path, 3, definition(two.mixture, two.streams, two.settings))
    assert "parse is no longer trained on" in note_mixture(
        tmp_path, 6, definition(one.mixture, one.streams, one.settings)
    )


def test_a_checkpoint_can_be_used_by_its_own_folder(tmp_path: Path) -> None:
    train(toy_config(("en-de",), steps=3, checkpoint_steps=1, keep=9), tmp_path, device=CPU)
    place = tmp_path / "checkpoints" / "00000001"
    assert checkpoint.latest(place) == place
    model = checkpoint.load_model(place, checkpoint.load_config(place))
    found = checkpoint.read_weights(place)
    assert all(torch.equal(value, found[name]) for name, value in model.state_dict().items())
