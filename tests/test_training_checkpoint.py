import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import toy_config, toy_trainer, weights
from safetensors.torch import save_file

import multimodel
from multimodel.errors import InputError
from multimodel.tasks.task import Task
from multimodel.training import checkpoint
from multimodel.training.checkpoint import (
    latest,
    load_config,
    load_model,
    load_state,
    load_weights,
)
from multimodel.training.moments import MOMENTS, load_moments
from multimodel.training.run_config import RunConfig
from multimodel.training.sums import SUMS, write_sums
from multimodel.training.trainer import Trainer, make_optimiser

CONFIG = toy_config(("imageclass", "en-de"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


@pytest.fixture
def trainer() -> Trainer:
    """Two steps in, one for each task."""
    trainer = toy_trainer(CONFIG)
    trainer.step()
    trainer.step()
    return trainer


def save(run: Path, trainer: Trainer, step: int = 2, config: RunConfig = CONFIG) -> Path:
    return checkpoint.save(run, config, trainer.model, trainer.optimiser, replace(trainer.state, step=step))


def restore(place: Path) -> None:
    """Read everything, as training and prediction do."""
    config = load_config(place)
    model = config.build()
    load_weights(place, model)
    load_moments(place / checkpoint.OPTIMISER, model, make_optimiser(model, config.training))
    load_state(place)


def test_a_checkpoint_restores_the_run_without_its_data(tmp_path: Path, trainer: Trainer) -> None:
    place = save(tmp_path, trainer)
    config = load_config(place)
    assert [task.to_json() for task in config.tasks] == [task.to_json() for task in CONFIG.tasks]
    assert config.vocabulary.sha256 == CONFIG.vocabulary.sha256
    same = ("preset", "model", "data", "training", "nets", "commands")
    assert {name: getattr(config, name) for name in same} == {name: getattr(CONFIG, name) for name in same}
    model = config.build()
    load_weights(place, model)
    assert all(torch.equal(value, weights(trainer)[name]) for name, value in model.state_dict().items())
    assert load_state(place) == trainer.state


def test_the_newest_checkpoint_is_the_one_of_most_steps(tmp_path: Path, trainer: Trainer) -> None:
    config = replace(CONFIG, training=replace(CONFIG.training, keep=9))
    for step in (9, 100_000_000, 20):
        save(tmp_path, trainer, step, config)
    assert latest(tmp_path).name == "100000000"


def test_only_so_many_checkpoints_are_kept(tmp_path: Path, trainer: Trainer) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, trainer, step)
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["00000003", "00000004"]


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no checkpoint: give the folder"):
        latest(tmp_path)


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_checkpoint_is_written_whole_or_not_at_all(
    tmp_path: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    save(tmp_path, trainer, 2)
    calls = []

    def full_disk(tensors: dict[str, torch.Tensor], path: Path) -> None:
        calls.append(path)
        path.write_bytes(b"half of it")
        if len(calls) == fails_at:
            raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_tensors", full_disk)
        for step in (3, 2):  # a step further, and the same step again
            with pytest.raises(InputError, match=r"No space .* of step 2 is whole: make room, and go on with --resume"):
                save(tmp_path, trainer, step)
            calls.clear()
    assert latest(tmp_path).name == "00000002"
    restore(latest(tmp_path))
    save(tmp_path, trainer, 4)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"00000002", "00000004"}


def test_saving_a_step_again_replaces_it(tmp_path: Path, trainer: Trainer) -> None:
    save(tmp_path, trainer)
    longer = replace(CONFIG, training=replace(CONFIG.training, steps=99))
    place = save(tmp_path, trainer, config=longer)
    assert load_config(place).training.steps == 99
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000002"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00{")


def a_list(path: Path) -> None:
    path.write_text("[1, 2]")


FILES = (checkpoint.MODEL, checkpoint.OPTIMISER, checkpoint.CONFIG, checkpoint.STATE, checkpoint.TOKENIZER)


@pytest.mark.parametrize("damage", [truncated, emptied, no_text, a_list, Path.unlink])
@pytest.mark.parametrize("file", FILES)
def test_damaged_and_missing_files_are_named(
    tmp_path: Path, trainer: Trainer, file: str, damage: Callable[[Path], None]
) -> None:
    place = save(tmp_path, trainer)
    damage(place / file)
    with pytest.raises(InputError, match=re.escape(str(place / file))) as caught:
        restore(place)
    assert "\n" not in str(caught.value)


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (checkpoint.CONFIG, lambda values: values.update(format=1)),
        (checkpoint.CONFIG, lambda values: values.pop("format")),
        (checkpoint.CONFIG, lambda values: values.pop("preset")),
        (checkpoint.CONFIG, lambda values: values["model"].update(depth=3)),
        (checkpoint.CONFIG, lambda values: values.update(model=[1])),
        (checkpoint.CONFIG, lambda values: values.update(data="none")),
        (checkpoint.CONFIG, lambda values: values["training"].update(keep=0)),
        (checkpoint.CONFIG, lambda values: values.update(tasks=["en-de"])),
        (checkpoint.CONFIG, lambda values: values["tasks"][0]["input"].update(kind="smell")),
        (checkpoint.CONFIG, lambda values: values["tasks"][0].update(input="image")),
        (checkpoint.STATE, lambda values: values.pop("positions")),
        (checkpoint.STATE, lambda values: values.update(luck=1)),
    ],
)
def test_settings_that_make_no_run_are_refused_and_the_file_named(
    tmp_path: Path, trainer: Trainer, file: str, change: Callable[[dict[str, Any]], object]
) -> None:
    place = save(tmp_path, trainer)
    changed(place / file, change)
    write_sums(place)
    with pytest.raises(InputError, match=re.escape(str(place / file))):
        restore(place)


@pytest.mark.parametrize("file", [checkpoint.MODEL, checkpoint.OPTIMISER])
def test_tensors_of_another_model_are_refused_and_the_first_is_named(
    tmp_path: Path, trainer: Trainer, file: str
) -> None:
    place = save(tmp_path / "here", trainer)
    wide = replace(CONFIG, model=replace(CONFIG.model, width=32))
    other = toy_trainer(wide)
    other.step()
    (place / file).write_bytes((save(tmp_path / "there", other, config=wide) / file).read_bytes())
    with pytest.raises(InputError, match=r"does not fit .* is .*32.*, not .*16"):
        restore(place)


def test_weights_of_fewer_tasks_are_refused(tmp_path: Path, trainer: Trainer) -> None:
    place = save(tmp_path / "here", trainer)
    fewer = toy_config(("en-de",))
    weights_of_fewer = save(tmp_path / "there", toy_trainer(fewer), config=fewer) / checkpoint.MODEL
    (place / checkpoint.MODEL).write_bytes(weights_of_fewer.read_bytes())
    with pytest.raises(InputError, match=r"does not fit .* missing"):
        restore(place)


def test_the_state_survives_json_to_the_last_bit(tmp_path: Path, trainer: Trainer) -> None:
    trainer.state.averages["en-de"] = 1 / 3
    trainer.state.averages["parse"] = -6e-8  # what is left of the loss of a task that is learned
    trainer.state.seconds = 0.1 + 0.2
    assert load_state(save(tmp_path, trainer)) == trainer.state


def test_a_checkpoint_holds_nothing_but_tensors_and_json(tmp_path: Path, trainer: Trainer) -> None:
    assert {path.name for path in save(tmp_path, trainer).iterdir()} == {*FILES, SUMS}


def test_nothing_in_the_package_unpickles() -> None:
    assert multimodel.__file__ is not None
    sources = list(Path(multimodel.__file__).parent.rglob("*.py"))
    assert len(sources) > 50
    words = r"torch\.load|import pickle|from pickle|joblib|allow_pickle=True|weights_only|(?<!\.)\beval\(|\bexec\("
    lines = [line for path in sources for line in path.read_text().splitlines()]
    assert [line for line in lines if re.search(words, line)] == []
    assert re.search(words, "model = torch.load(path)")
    assert not re.search(words, "model.eval()")


def test_tasks_of_a_checkpoint_have_no_examples(tmp_path: Path, trainer: Trainer) -> None:
    tasks: tuple[Task, ...] = load_config(save(tmp_path, trainer)).tasks
    assert all(not task.examples for task in tasks)


@pytest.mark.parametrize("change", [{"width": 16_000_000}, {"experts": 10**9}, {"width": 10**30}, {"heads": 0}])
def test_sizes_that_the_weights_do_not_have_are_refused_without_taking_their_memory(
    tmp_path: Path, trainer: Trainer, change: dict[str, int]
) -> None:
    place = save(tmp_path, trainer)
    changed(place / checkpoint.CONFIG, lambda values: values["model"].update(change))
    write_sums(place)
    with pytest.raises(InputError, match=re.escape(str(place))) as caught:
        load_model(place, load_config(place))
    assert "\n" not in str(caught.value)


def test_weights_of_another_type_are_refused(tmp_path: Path, trainer: Trainer) -> None:
    place = save(tmp_path, trainer)
    halves = {name: value.half() for name, value in trainer.model.state_dict().items()}
    save_file(halves, place / checkpoint.MODEL)
    write_sums(place)
    with pytest.raises(InputError, match=r"of F16, not .* of F32"):
        restore(place)


def test_the_vocabulary_of_another_model_is_refused(tmp_path: Path, trainer: Trainer) -> None:
    place = save(tmp_path, trainer)
    text = (place / checkpoint.TOKENIZER).read_text()
    (place / checkpoint.TOKENIZER).write_text(text.replace('"tree_symbols"', ' "tree_symbols"'))
    write_sums(place)
    with pytest.raises(InputError, match=r"tokenizer\.json is the vocabulary of another model"):
        load_config(place)


@pytest.mark.parametrize("file", FILES)
def test_one_changed_byte_is_found_and_said_what_to_do(tmp_path: Path, trainer: Trainer, file: str) -> None:
    place = save(tmp_path, trainer)
    raw = bytearray((place / file).read_bytes())
    raw[-2] ^= 1 if file.endswith("safetensors") else 0
    (place / file).write_bytes(raw if file.endswith("safetensors") else raw + b" ")
    with pytest.raises(InputError, match=r"checksum is not the one in SHA256SUMS. Copy it again, or remove"):
        restore(place)


def test_checksums_are_those_of_sha256sum(tmp_path: Path, trainer: Trainer) -> None:
    place = save(tmp_path, trainer)
    done = subprocess.run(["sha256sum", "-c", SUMS], cwd=place, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{file}: OK" for file in sorted(FILES)]


def test_a_checkpoint_that_was_being_replaced_when_the_run_was_killed_is_found_again(
    tmp_path: Path, trainer: Trainer
) -> None:
    place = save(tmp_path, trainer)
    place.rename(place.with_name(f".{place.name}.former.part"))
    place.with_name(f".{place.name}.next.part").mkdir()
    checkpoint.mend(tmp_path)
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    restore(place)


def test_moments_are_restored_by_name(tmp_path: Path, trainer: Trainer) -> None:
    place = save(tmp_path, trainer)
    again = toy_trainer(CONFIG)
    checkpoint.restore(place, again.model, again.optimiser)
    for one, other in zip(trainer.model.parameters(), again.model.parameters(), strict=True):
        before, after = (trainer_.optimiser.state.get(value) for trainer_, value in ((trainer, one), (again, other)))
        assert (before is None) == (after is None)
        assert not before or all(torch.equal(before[key], after[key]) for key in MOMENTS)


@pytest.mark.parametrize(
    "change",
    [
        {"step": "many"},
        {"step": -1},
        {"step": {}},
        {"positions": [1]},
        {"positions": 3},
        {"positions": {"en-de": "x"}},
        {"norms": {"en-de": None}},
        {"diverged": 1},
    ],
)
def test_a_state_of_other_types_is_refused(tmp_path: Path, trainer: Trainer, change: dict[str, Any]) -> None:
    place = save(tmp_path, trainer)
    changed(place / checkpoint.STATE, lambda values: values.update(change))
    write_sums(place)
    with pytest.raises(InputError, match=r"state\.json is damaged"):
        load_state(place)
