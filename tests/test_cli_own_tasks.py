"""Own tasks on the command line: one more for a trained model, its interruption, data that moved, damaged rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from declared_in_python import PRESET

import multimodel
from multimodel import cli
from multimodel.training import checkpoint
from multimodel.training.run_config import RunConfig

SMALL = ["--data.vocabulary", "300", "--batch-examples", "4"]
YAML = "data: {train: DATA.csv, test: DATA.csv}\ninput: {text: text}\noutput: {category: label}\n"


def write_task(folder: Path, name: str, *, empty: int = 0) -> str:
    """A task of 40 rows, of which so many lack their label; the path of its YAML."""
    folder.mkdir(exist_ok=True)
    rows = [f"{name} number {row},{'' if row < empty else 'ab'[row % 2]}" for row in range(40)]
    (folder / f"{name}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    (folder / f"{name}.yaml").write_text(YAML.replace("DATA", name))
    return str(folder / f"{name}.yaml")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and in it a run on the task `first` after one step."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    first = write_task(tmp_path / "own", "first")
    assert cli.main(["train", "tiny", "--tasks", first, "--out", "old", "--steps", "1", *SMALL]) == 0
    return tmp_path


def config(run: str) -> RunConfig:
    return checkpoint.load_config(checkpoint.latest(Path(run)))


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(list(words)) == 2
    return capsys.readouterr().err


def test_learning_one_more_task_goes_on_where_it_stopped(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second, third = write_task(here / "own", "second"), write_task(here / "own", "third")
    words = ["train", "old", "--add", second, "--out", "new"]
    assert cli.main([*words, "--steps", "2", "--adding.rehearse", "none"]) == 0
    table = capsys.readouterr().out
    assert table.index("first") < table.index("second")
    assert cli.main([*words, "--steps", "4", "--resume"]) == 0
    assert checkpoint.load_state(checkpoint.latest(Path("new"))).step == 4
    assert [task.name for task in config("new").trained] == ["second"]
    other = ["train", "old", "--add", third, "--out", "new", "--steps", "5", "--resume"]
    assert "another tasks that were added" in refused(capsys, *other)
    assert "already holds a run" in refused(capsys, *words, "--steps", "9")


def test_old_tasks_are_rehearsed_by_name_with_commas(here: Path) -> None:
    both = [write_task(here / "own", name) for name in ("second", "third")]
    assert cli.main(["train", "old", "--add", both[0], "--out", "two", "--steps", "1"]) == 0
    words = ["train", "two", "--add", both[1], "--out", "three", "--steps", "1"]
    assert cli.main([*words, "--adding.rehearse", "first,second"]) == 0
    assert config("three").resting == ()


@pytest.mark.parametrize("option", [["--model.experts", "5"], ["--data.max-symbols", "9"], ["--tasks", "en-de"]])
def test_what_the_weights_depend_on_cannot_change_with_a_new_task(
    here: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    words = ["train", "old", "--add", write_task(here / "own", "second"), "--out", "new", "--steps", "1"]
    assert f"another {option[0].strip('-').split('.')[0]}" in refused(capsys, *words, *option)
    assert not Path("new").exists()


def test_damaged_rows_are_allowed_where_they_are_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = write_task(here / "own", "damaged", empty=2)
    words = ["train", "old", "--add", damaged, "--out", "new", "--steps", "1"]
    said = refused(capsys, *words)
    assert "damaged train: 2 of 40 examples cannot be used" in said
    assert "own/damaged.csv, line 2" in said
    assert cli.main([*words, "--data.most-bad", "0.05"]) == 0
    assert "skipped: " in capsys.readouterr().err
    assert cli.main(["evaluate", "new", "--tasks", "damaged", "--examples", "9", "--decode", "2"]) == 2  # 2 of 9
    assert (
        cli.main(["evaluate", "new", "--tasks", "damaged", "--examples", "9", "--decode", "2", "--most-bad", "1"]) == 0
    )
    capsys.readouterr()
    assert "damaged" in refused(capsys, "data", "check", damaged)
    assert cli.main(["data", "check", damaged, "--most-bad", "0.1"]) == 0


def test_data_that_moved_is_named_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "own").rename(here / "moved")
    scored = ["--examples", "4", "--decode", "2"]
    assert "does not exist" in refused(capsys, "evaluate", "old", *scored)
    assert cli.main(["evaluate", "old", "--tasks", "moved/first.yaml", *scored]) == 0
    assert cli.main(["train", "tiny", "--tasks", "moved/first.yaml", "--out", "old", "--resume", "--steps", "2"]) == 0
    assert config("old").tasks[0].origin.folder == Path("moved").absolute()


def test_what_can_be_scored_is_and_the_rest_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = [str(here / "own" / "first.yaml"), write_task(here / "own", "second")]
    assert cli.main(["train", "tiny", "--tasks", *both, "--out", "both", "--steps", "1", *SMALL]) == 0
    (here / "own" / "second.csv").unlink()
    words = ["evaluate", "both", "--examples", "4", "--decode", "2"]
    for asked, code in (([], 0), (["--tasks", "first", "second"], 2)):
        capsys.readouterr()
        Path("both/evaluation.json").unlink(missing_ok=True)
        assert cli.main([*words, *asked]) == code
        written = capsys.readouterr()
        assert "Task second: " in written.err
        assert "evaluation.json" in written.out
        assert [one["task"] for one in json.loads(Path("both/evaluation.json").read_text())["tasks"]] == ["first"]


def test_a_comparison_that_cannot_be_made_fails_no_command(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = write_task(here / "own", "second")
    (here / "own" / "one.csv").write_text("text,label\nsecond number 1,a\n")
    Path(second).write_text(YAML.replace("test: DATA", "test: one").replace("DATA", "second"))
    assert cli.main(["train", "old", "--add", second, "--out", "new", "--steps", "1"]) == 0
    written = capsys.readouterr()
    assert "not scored: Task second has one test example" in written.err
    assert "first" in written.out
    assert cli.main(["export", "new", "--tasks", "second", "--out", "part"]) == 0


def test_a_run_whose_preset_python_gave_goes_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    multimodel.train(["own/first.yaml"], "python", preset=PRESET, steps=1)
    words = ["--out", "python", "--resume", "--steps", "2"]
    assert "it can only go on with own, not with tiny" in refused(capsys, "train", "tiny", *words)
    assert cli.main(["train", "own", *words]) == 0
    assert checkpoint.load_state(checkpoint.latest(Path("python"))).step == 2


def test_a_part_needs_the_names_of_tasks(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Which tasks?" in refused(capsys, "export", "old", "--out", "part", "--tasks", ",")
    assert "no task 'frist': did you mean 'first'" in refused(
        capsys, "export", "old", "--out", "part", "--tasks", "frist"
    )
    assert cli.main(["export", "old", "--out", "part", "--tasks", "first", "--drop-experts"]) == 0
    assert "experts in a layer" in capsys.readouterr().out
