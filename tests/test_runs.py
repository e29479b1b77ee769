"""Whole runs through Python: own tasks, one more task for a trained model, a part of a model."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import coloured, spoken

import multimodel
from multimodel import Adding, Audio, Category, Declaration, Image, Text, Tree, Waveform
from multimodel.errors import InputError
from multimodel.evaluation.evaluate import EvaluationSettings
from multimodel.evaluation.score import score
from multimodel.presets import PRESETS
from multimodel.report.write import write_report
from multimodel.runs import evaluate_only
from multimodel.tasks.batching import collate
from multimodel.tasks.encoded import encode_examples
from multimodel.training import checkpoint
from multimodel.training.adding import carry_over, grown_config
from multimodel.training.export import fired, write_part

FEW = EvaluationSettings(examples=4, decode=2)
PRESET = dataclasses.replace(
    PRESETS["tiny"],
    data=dataclasses.replace(PRESETS["tiny"].data, vocabulary=300, caption_side=16),
    training=dataclasses.replace(PRESETS["tiny"].training, steps=3, checkpoint_steps=2),
)


def rows(count: int = 60) -> list[dict[str, str]]:
    return [{"text": f"number {number}", "even": "yes" if number % 2 == 0 else "no"} for number in range(count)]


def parity(name: str = "parity") -> Declaration:
    return Declaration(name=name, data=rows(), input=Text("text"), output=Category("even"), held_out=0.2)


def spelling() -> Declaration:
    words = [{"word": f"w{number}", "spelled": " ".join(f"w{number}")} for number in range(60)]
    return Declaration(name="spelling", data=words, input=Text("word"), output=Text("spelled"), held_out=0.2)


def colours() -> Declaration:
    pictures = [{"picture": raw, "colour": colour} for raw, colour in coloured()]
    return Declaration(name="colours", data=pictures, input=Image("picture"), output=Category("colour"), held_out=0.2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two tasks, not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
        multimodel.train([parity(), spelling()], folder, preset=PRESET)
    return folder


WORDS = ("red", "green", "blue", "yellow")
INPUTS: dict[str, tuple[object, list[object], str]] = {
    "text": (Text("given"), [f"a thing that is {word}" for word in WORDS], "a thing that is red"),
    "image": (Image("given"), [raw for raw, _ in coloured()[:4]], "red.png"),
    "audio": (Audio("given"), [raw for raw, _ in spoken()[:4]], "red.wav"),
    "waveform": (Waveform("given"), [raw for raw, _ in spoken()[:4]], "red.wav"),
    "category": (Category("given"), list(WORDS), "red"),
}


@pytest.mark.parametrize("wanted", [Text("wanted"), Category("wanted")], ids=["text", "category"])
@pytest.mark.parametrize("given", INPUTS)
def test_any_input_is_trained_with_any_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, wanted: object
) -> None:
    column, cells, asked = INPUTS[given]
    data = [{"given": cell, "wanted": word} for cell, word in zip(cells, WORDS, strict=True)] * 10
    task = Declaration(name="pair", data={"train": data, "test": data[:4]}, input=column, output=wanted)
    model = multimodel.train([task], tmp_path / "run", preset=PRESET, steps=1)
    monkeypatch.chdir(tmp_path)
    if isinstance(cells[0], bytes):
        Path(asked).write_bytes(cells[0])
    answer = model.answer("pair", asked)
    assert {name for name, _ in answer.ranked} == (set(WORDS) if wanted.kind == "category" else set())
    (found,) = multimodel.evaluate(tmp_path / "run", [task], FEW)
    assert found.examples == 4


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read_weights(checkpoint.latest(run))


def logits(run: Path, declared: Declaration) -> torch.Tensor:
    """Of the first test examples."""
    known = multimodel.load(run)
    config = checkpoint.load_config(checkpoint.latest(run))
    task = dataclasses.replace(
        known.task(declared.name), examples=multimodel.runs.with_data(config, [declared])[0].examples
    )
    encoded = encode_examples(task, "test")
    with torch.no_grad():
        return known.model(collate(task, encoded, np.arange(min(4, len(encoded))))).logits


def test_a_task_from_values_in_python_is_trained_asked_and_scored(run: Path) -> None:
    model = multimodel.load(run)
    assert model.predict("parity", "number 3") in ("yes", "no")
    assert {name for name, _ in model.answer("parity", "number 3").ranked} == {"yes", "no"}
    (found,) = multimodel.evaluate(run, [parity()], FEW)
    assert (found.task, found.measure, found.examples) == ("parity", "class", 4)
    assert (run / "evaluation.json").is_file()


def test_values_in_python_must_be_given_again(run: Path) -> None:
    with pytest.raises(InputError, match="data of task parity was given in Python"):
        multimodel.evaluate(run, (), FEW)
    with pytest.raises(InputError, match="no task 'parrity': did you mean 'parity'"):
        multimodel.evaluate(run, ["parrity"], FEW)


def test_a_run_on_own_tasks_goes_on_where_it_stopped(tmp_path: Path) -> None:
    even = dataclasses.replace(PRESET, training=dataclasses.replace(PRESET.training, decay="none"))
    multimodel.train([parity(), spelling()], tmp_path / "straight", preset=even, steps=4)
    multimodel.train([parity(), spelling()], tmp_path / "stopped", preset=even, steps=2)
    with pytest.raises(InputError, match="already holds a run"):
        multimodel.train([parity(), spelling()], tmp_path / "stopped", preset=PRESET, steps=4)
    with pytest.raises(InputError, match="other tasks: it can only go on with parity, spelling"):
        multimodel.train([parity()], tmp_path / "stopped", preset=PRESET, steps=4, resume=True)
    multimodel.train([parity(), spelling()], tmp_path / "stopped", preset=PRESET, steps=4, resume=True)
    straight, stopped = weights(tmp_path / "straight"), weights(tmp_path / "stopped")
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)


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


def test_two_runs_are_compared_on_the_tasks_they_share(run: Path, tmp_path: Path) -> None:
    multimodel.add(run, [colours()], tmp_path / "new", Adding(rehearse=("none",)), steps=1)
    old, new = multimodel.compare(run, tmp_path / "new", [parity(), colours()], FEW)
    assert [found.task for found in old] == ["parity"]
    assert [found.task for found in new] == ["parity", "colours"]
    table = (tmp_path / "new" / "before-after.md").read_text()
    assert "| parity |" in table
    assert "| colours | – |" in table
    again, _ = evaluate_only(run, [parity()], FEW, None)
    assert again[0].teacher_forced == old[0].teacher_forced


def test_a_model_that_learned_once_learns_again_and_its_experts_too(run: Path, tmp_path: Path) -> None:
    multimodel.add(run, [colours()], tmp_path / "one", Adding(new_experts=2, rehearse=("none",)), steps=2)
    model = multimodel.add(tmp_path / "one", [parity("again")], tmp_path / "two", Adding(rehearse=("none",)), steps=2)
    assert set(model.tasks) == {"parity", "spelling", "colours", "again"}
    assert checkpoint.load_config(checkpoint.latest(tmp_path / "two")).model.experts == PRESET.model.experts + 2
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert not torch.equal(one["encoder.experts.hidden"], two["encoder.experts.hidden"])


def test_a_task_that_cannot_be_scored_costs_the_others_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    multimodel.add(run, [colours()], tmp_path / "new", Adding(rehearse=("none",)), steps=1)
    old, new = multimodel.compare(run, tmp_path / "new", ["parity", colours()], FEW)
    assert (old, [found.task for found in new]) == ([], ["colours"])
    assert "not scored: The data of task parity was given in Python" in capsys.readouterr().err


def test_a_part_of_a_run_with_rates_goes_on(tmp_path: Path) -> None:
    rates = dataclasses.replace(PRESET.training, rates={"parity": 2.0})
    multimodel.train([parity(), spelling()], tmp_path / "whole", preset=dataclasses.replace(PRESET, training=rates))
    multimodel.export(tmp_path / "whole", ["spelling"], tmp_path / "part")
    multimodel.train([spelling()], tmp_path / "part", steps=5, resume=True)
    state = checkpoint.load_state(checkpoint.latest(tmp_path / "part"))
    assert state.step == 5
    assert checkpoint.load_config(checkpoint.latest(tmp_path / "part")).training.learning_rate == rates.learning_rate


@pytest.mark.parametrize(
    ("changes", "words"), [({"command": "copy"}, "command"), ({"input": Text("text", net="type")}, "net")]
)
def test_names_that_torch_uses_are_refused_before_any_work(tmp_path: Path, changes: object, words: str) -> None:
    with pytest.raises(InputError, match=f"A {words} cannot be named"):
        multimodel.train([dataclasses.replace(parity(), **changes)], tmp_path / "run", preset=PRESET)
    assert not (tmp_path / "cache" / "multimodel" / "features").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measure": "translation"}, "no measure of category"),
        ({"rate": -1.0}, "the rate is -1.0"),
        ({"rate": float("nan")}, "the rate is nan"),
        ({"input": Image("text"), "output": Tree("even")}, "made of the words of a text"),
    ],
)
def test_what_does_not_go_together_is_refused_when_it_is_declared(changes: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        dataclasses.replace(parity(), **{"measure": "", **changes})


def words_file(folder: Path) -> str:
    """The path of a task on a table beside it."""
    lines = "".join(f"{kind},{kind} {number}\n" for number in range(30) for kind in "ab")
    (folder / "words.csv").write_text("kind,word\n" + lines)
    (folder / "words.yaml").write_text(
        "data: words.csv\ninput: {category: kind}\noutput: {text: word}\nheld_out: 0.2\n"
    )
    return str(folder / "words.yaml")


def test_a_category_that_is_read_has_a_report(tmp_path: Path) -> None:
    multimodel.train([words_file(tmp_path)], tmp_path / "run", preset=PRESET)
    multimodel.evaluate(tmp_path / "run", settings=FEW)
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "words.csv, line" in page
    assert str(tmp_path) not in page


def test_a_task_named_by_its_file_is_scored_before_and_after(tmp_path: Path) -> None:
    task, run = words_file(tmp_path), tmp_path / "run"
    multimodel.train([task], run, preset=PRESET)
    old, new = multimodel.compare(run, run, [task], FEW)
    assert [found.task for found in old] == [found.task for found in new] == ["words"]
