"""`multimodel tasks`: what is listed, and what stands where data or a whole task is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from runs import found_in, toy_config, toy_trainer, write_mini8

from multimodel import cli
from multimodel.commands.tasks import all_names, named, tasks_of_run
from multimodel.errors import InputError
from multimodel.tasks import mini8
from multimodel.tasks.columns import Category, Text
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.overview import NOT_BUILT, NOT_KEPT, ON_THE_HUB, of_declaration
from multimodel.tasks.settings import DataSettings
from multimodel.training import checkpoint

REVIEWS = "data: reviews.csv\ninput: {text: review}\noutput: {category: mark}\nrate: 2.5\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and in it the current folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return tmp_path


def write_reviews(declaration: str = REVIEWS, name: str = "reviews.yaml") -> None:
    lines = [f"{word},{mark},{split}" for split in ("train", "dev") for word, mark in (("fine", "good"), ("no", "bad"))]
    Path("reviews.csv").write_text("\n".join(["review,mark,split", *lines]) + "\n", encoding="utf-8")
    Path(name).write_text(declaration, encoding="utf-8")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command writes, spaces joined."""
    assert cli.main(["tasks", *words]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_tasks_of_mini8_are_listed_before_it_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(capsys)
    assert all(f" {name} " in f" {shown} " for name in mini8.NAMES)
    assert shown.count(NOT_BUILT) == 8
    assert shown.count("image: image") == 2
    assert {one.data for one in named(mini8.NAMES)} == {NOT_BUILT}


def test_a_part_that_is_not_built_is_told(home: Path) -> None:
    folder = write_mini8(home / "multimodel" / "mini8")
    (folder / "speech.parquet").unlink()
    speech, parse = named(["speech", "parse"])
    assert speech.data == NOT_BUILT
    assert parse.data == "train 24, dev 8, test 8"


def test_what_is_listed_is_what_training_reads(tmp_path: Path) -> None:
    folder = write_mini8(tmp_path / "mini8")
    _, tasks = mini8.read_tasks(mini8.declarations(folder), DataSettings())
    for one, task in zip(named(mini8.NAMES, folder), tasks, strict=True):
        assert (one.name, one.command, one.measure, one.rate) == (task.name, task.command, task.measure, "1")
        assert one.data == ", ".join(f"{split} {len(task.examples[split])}" for split in ("train", "dev", "test"))


def test_a_damaged_index_is_told_in_every_row(tmp_path: Path) -> None:
    folder = write_mini8(tmp_path / "mini8")
    (folder / "mini8.json").write_text("{")
    assert all("mini8.json is damaged" in one.data for one in named(mini8.NAMES, folder))


def test_yaml_files_of_this_folder_are_listed_where_they_are_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    write_reviews()
    Path("site.yaml").write_text("title: a page\nmarkdown: {input: no}\n", encoding="utf-8")
    Path("broken.yml").write_text("[", encoding="utf-8")
    assert all_names(Path()) == [*mini8.NAMES, "reviews.yaml"]
    assert "reviews text: review category: mark to-reviews class 2.5 train 2, dev 2" in printed(capsys)


def test_a_typo_in_yaml_is_a_row_that_names_the_nearest_key(capsys: pytest.CaptureFixture[str]) -> None:
    write_reviews(REVIEWS.replace("input", "inptu"))
    shown = printed(capsys)
    assert "There is no key 'inptu': did you mean 'input'?" in " ".join(one.data for one in named(all_names(Path())))
    assert "'inptu'" in shown
    assert "reviews – – – – –" in shown


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("[", "is not YAML"),
        (REVIEWS.replace("mark}", "marks}"), "has no column 'marks': did you mean 'mark'?"),
        (REVIEWS.replace("reviews.csv", "lost.csv"), "lost.csv does not exist: give the path of the data."),
    ],
)
def test_a_task_that_cannot_be_read_is_a_row_with_its_reason(declaration: str, reason: str) -> None:
    write_reviews(declaration)
    (one,) = named(["reviews.yaml"])
    assert one.name == "reviews"
    assert reason in one.data
    assert named(["none.yaml"])[0].data == "none.yaml cannot be read: No such file or directory."


def test_nothing_is_fetched_from_the_hub() -> None:
    task = Declaration(name="reviews", data="hub:imdb", input=Text("text"), output=Category("label"))
    assert of_declaration(task).data == ON_THE_HUB
    assert of_declaration(replace(task, data={"train": "hub:imdb", "test": "a.csv"})).data == ON_THE_HUB


def test_the_tasks_of_a_run_are_those_of_its_newest_checkpoint(tmp_path: Path) -> None:
    config = toy_config(("imageclass", "en-de"))
    there = found_in(config, tmp_path / "mini8")
    there = replace(there, tasks=(replace(there.tasks[0], rate=3.0), replace(there.tasks[1], origin=None)))
    trainer = toy_trainer(config)
    checkpoint.save(tmp_path / "run", there, trainer.model, trainer.optimiser, trainer.state)
    image, translation = tasks_of_run(tmp_path / "run")
    assert (image.name, image.input, image.rate, image.data) == (
        "imageclass",
        "image: image",
        "3",
        "train 24, dev 8, test 8",
    )
    assert (translation.input, translation.output, translation.data) == ("text", "text", NOT_KEPT)
    assert tasks_of_run(tmp_path / "run", ["imageclass"], tmp_path / "gone")[0].data == NOT_BUILT
    with pytest.raises(InputError, match="This run has no task 'imageclas': did you mean 'imageclass'"):
        tasks_of_run(tmp_path / "run", ["imageclas"])


def test_a_name_that_is_no_task_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tasks", "speach"]) == 2
    assert "There is no task 'speach': name a YAML file, or did you mean 'speech'?" in capsys.readouterr().err
    assert cli.main(["tasks", "--run", "none"]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err


def test_one_task_takes_one_line_of_a_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mini8(home / "multimodel" / "mini8")
    assert cli.main(["tasks", "imageclass,en-de"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "train" in line] == ["imageclass", "en-de"]
    assert max(map(len, lines)) <= 120
