"""Whole runs through Python on tasks of one's own: trained, asked, scored, compared."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from declared_in_python import FEW, PRESET, colours, parity, spelling, trained, weights
from toy import coloured, spoken

import multimodel
from multimodel import Adding, Audio, Category, Declaration, Image, Text, Tree, Waveform
from multimodel.errors import InputError
from multimodel.report.write import write_report
from multimodel.runs import evaluate_only

WORDS = ("red", "green", "blue", "yellow")
INPUTS: dict[str, tuple[object, list[object], str]] = {
    "text": (Text("given"), [f"a thing that is {word}" for word in WORDS], "a thing that is red"),
    "image": (Image("given"), [raw for raw, _ in coloured()[:4]], "red.png"),
    "audio": (Audio("given"), [raw for raw, _ in spoken()[:4]], "red.wav"),
    "waveform": (Waveform("given"), [raw for raw, _ in spoken()[:4]], "red.wav"),
    "category": (Category("given"), list(WORDS), "red"),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    return trained(tmp_path_factory)


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


def test_two_runs_are_compared_on_the_tasks_they_share(run: Path, tmp_path: Path) -> None:
    multimodel.add(run, [colours()], tmp_path / "new", Adding(rehearse=("none",)), steps=1)
    old, new = multimodel.compare(run, tmp_path / "new", [parity(), colours()], FEW)
    assert [found.task for found in old] == ["parity"]
    assert [found.task for found in new] == ["parity", "colours"]
    table = (tmp_path / "new" / "before-after.md").read_text()
    assert "| parity |" in table
    assert "| colours | – |" in table
    again, _ = evaluate_only(run, [parity()], FEW, None)
    assert again.found[0].teacher_forced == old[0].teacher_forced


def test_a_task_that_cannot_be_scored_costs_the_others_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    multimodel.add(run, [colours()], tmp_path / "new", Adding(rehearse=("none",)), steps=1)
    old, new = multimodel.compare(run, tmp_path / "new", ["parity", colours()], FEW)
    assert (old, [found.task for found in new]) == ([], ["colours"])
    assert "not scored: The data of task parity was given in Python" in capsys.readouterr().err


def few_held_out(declared: Declaration) -> Declaration:
    """The same task with one test example."""
    return dataclasses.replace(declared, data={"train": declared.data, "test": declared.data[:1]})


def test_a_task_asked_for_that_cannot_be_scored_is_an_error_after_the_others_are_written(
    run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(InputError, match="Task parity has one test example that can be used"):
        multimodel.evaluate(copy, [few_held_out(parity()), spelling()], FEW)
    assert [one["task"] for one in json.loads((copy / "evaluation.json").read_text())["tasks"]] == ["spelling"]
    before = (copy / "evaluation.json").read_bytes()
    with pytest.raises(InputError, match=r"parity.*\n.*spelling was given in Python"):
        multimodel.evaluate(copy, (), FEW)
    assert (copy / "evaluation.json").read_bytes() == before


def test_one_held_out_example_costs_a_comparison_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    old, new = multimodel.compare(run, copy, [few_held_out(parity()), spelling()], FEW)
    assert [found.task for found in old] == [found.task for found in new] == ["spelling"]
    assert capsys.readouterr().err.count("not scored: Task parity has one test example") == 1
    assert multimodel.compare(run, copy, [few_held_out(parity())], FEW) == ([], [])


@pytest.mark.parametrize(
    "changes",
    [{"input": Image("text")}, {"output": Text("even")}, {"input": Category("text", classes=["a", "b"])}],
)
def test_a_task_given_again_must_be_of_the_runs_kinds(run: Path, changes: dict[str, object]) -> None:
    other = dataclasses.replace(parity(), **changes)
    for call in (
        lambda: multimodel.evaluate(run, [other], FEW),
        lambda: multimodel.train([other, spelling()], run, steps=9, resume=True),
    ):
        with pytest.raises(InputError, match="Task parity of this run goes from text to category, not from"):
            call()


def test_columns_of_values_in_python_may_be_called_otherwise(run: Path) -> None:
    renamed = [{"words": row["text"], "is it": row["even"]} for row in parity().data]
    same = dataclasses.replace(parity(), data=renamed, input=Text("words"), output=Category("is it"))
    assert evaluate_only(run, [same], FEW, None)[0].found[0].examples == 4


@pytest.mark.parametrize(("given", "wanted"), [("{category: word}", "{text: kind}"), ("{text: kind}", "{text: word}")])
def test_a_file_that_is_given_again_must_have_the_runs_columns(tmp_path: Path, given: str, wanted: str) -> None:
    multimodel.train([words_file(tmp_path)], tmp_path / "run", preset=PRESET, steps=1)
    path = tmp_path / "words.yaml"
    path.write_text(path.read_text().replace("{category: kind}", given).replace("{text: word}", wanted))
    with pytest.raises(InputError, match=r"goes from \{'category': 'kind'\} to \{'text': 'word'\}, not"):
        multimodel.evaluate(tmp_path / "run", [str(path)], FEW)


@pytest.mark.parametrize("nothing", [{"steps": 0}, {"minutes": 0.0}])
def test_a_budget_of_nothing_is_refused(tmp_path: Path, nothing: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"is 0(\.0)? and must be"):
        multimodel.train([parity()], tmp_path / "run", preset=PRESET, **nothing)


def test_only_the_first_process_mends_a_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mended: list[Path] = []
    monkeypatch.setattr("multimodel.runs.checkpoint.mend", mended.append)
    for first in (False, True):
        monkeypatch.setattr("multimodel.runs.is_first", lambda first=first: first)
        with pytest.raises(InputError, match="other tasks"):
            multimodel.train([parity()], run, resume=True)
        assert mended == [run] * first


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
