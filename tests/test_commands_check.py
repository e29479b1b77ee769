"""`multimodel data check`: what is found in damaged, repeated, lopsided and too long data, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from runs import write_mini8
from toy import coloured, toy_tasks

from multimodel import cli
from multimodel.commands.check_table import NAMED, bars
from multimodel.tasks.check import BARS, TaskReport, check_task
from multimodel.tasks.check_warnings import refused, warnings
from multimodel.tasks.columns import Category, Image, Text
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.declared import declared_tasks
from multimodel.tasks.encoded import CHUNK
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Example, Task

SMALL = DataSettings(vocabulary=300)
VOCABULARY, TASKS = toy_tasks()
SPLITS = {"train": 30, "dev": 6, "test": 6}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cells() -> dict[str, list[list[str]]]:
    """Rows of two cells by split: no input twice, two labels in turn."""
    return {
        split: [[f"{split} text number {row}", "good" if row % 2 else "bad"] for row in range(count)]
        for split, count in SPLITS.items()
    }


def write_csv(folder: Path, rows: dict[str, list[list[str]]]) -> Declaration:
    """One file a split."""
    for split, lines in rows.items():
        text = "\n".join(",".join(line) for line in [["text", "label"], *lines]) + "\n"
        (folder / f"{split}.csv").write_text(text, encoding="utf-8")
    data = {split: f"{split}.csv" for split in rows}
    return Declaration(name="marks", data=data, input=Text("text"), output=Category("label"), folder=folder)


def checked(*declared: Declaration) -> TaskReport:
    """The report on the first of these tasks."""
    return check_task(declared_tasks(declared, SMALL)[1][0])


def counts_add_up(report: TaskReport) -> bool:
    """Of every split: what becomes of its rows, and the bars of both histograms."""
    for one in report.splits.values():
        assert one.usable + one.too_long + len(one.bad) == one.rows
        for lengths in (one.inputs, one.outputs):
            assert lengths is not None
            assert sum(lengths.counts) == one.rows - len(one.bad)
            assert lengths.shortest <= lengths.median <= lengths.most <= lengths.longest
            assert 1 <= len(lengths.counts) <= BARS
            assert lengths.counts[0] > 0
            assert lengths.counts[-1] > 0 or lengths.longest - lengths.shortest >= BARS
    return True


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_counts_add_up_to_the_rows(task: Task) -> None:
    report = check_task(task)
    assert counts_add_up(report)
    assert {split: one.rows for split, one in report.splits.items()} == {"train": 24, "dev": 8, "test": 8}
    for one in report.splits.values():
        assert sum(one.classes.values()) == (one.rows if task.measure == "class" else 0)


def test_good_data_gets_no_warning(tmp_path: Path) -> None:
    report = checked(write_csv(tmp_path, cells()))
    assert counts_add_up(report)
    assert (warnings(report), refused(report, 0.0), report.shared, report.unseen) == ([], [], (), {})
    assert report.splits["train"].classes == {"bad": 15, "good": 15}


def test_damaged_lines_of_a_csv_are_named_by_file_and_line(tmp_path: Path) -> None:
    rows = cells()
    rows["train"][3] = ["only one cell"]
    rows["train"][7] = ["", "good"]
    rows["dev"][2] = ["a text", "good", "too much"]
    report = checked(write_csv(tmp_path, rows))
    assert counts_add_up(report)
    first, second = report.splits["train"].bad
    assert (first.where, second.where) == (f"{tmp_path / 'train.csv'}, line 5", f"{tmp_path / 'train.csv'}, line 9")
    assert "This line has 1 cells, and the first line names 2 columns." in first.reason
    assert second.reason == "column 'text': The cell is empty."
    assert report.splits["dev"].bad[0].where == f"{tmp_path / 'dev.csv'}, line 4"
    assert warnings(report)[0] == "marks train: 2 of 30 rows cannot be used: mend or remove them."
    assert refused(report, 2 / 30) == ["marks dev"]
    assert refused(report, 1 / 30) == ["marks train", "marks dev"]


def test_damaged_rows_of_parquet_are_named_by_file_and_row(tmp_path: Path) -> None:
    rows = [{"id": f"picture-{row}", "image": raw, "label": label} for row, (raw, label) in enumerate(coloured())]
    rows[4]["image"] = b"no picture"
    rows[5]["image"] = None
    path = tmp_path / "pictures.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), path, row_group_size=3)
    task = Declaration(
        name="pictures", data={"train": str(path)}, input=Image("image"), output=Category("label"), id="id"
    )
    report = checked(task)
    assert counts_add_up(report)
    assert [bad.where for bad in report.splits["train"].bad] == [f"{path}, row 4", f"{path}, row 5"]
    assert [bad.reason for bad in report.splits["train"].bad] == [
        "The image is not an image: give a PNG, JPEG or WebP file.",
        "column 'image': The cell names no image file.",
    ]
    assert "pictures has no dev examples" in warnings(report)[1]


def test_inputs_of_two_splits_are_counted_and_named_by_their_places(tmp_path: Path) -> None:
    rows = cells()
    for row in range(6):
        rows["test"][row][0] = rows["train"][10 + row][0]
    rows["dev"][5] = rows["train"][0]
    report = checked(write_csv(tmp_path, rows))
    assert [(one.splits, one.count) for one in report.shared] == [(("train", "dev"), 1), (("train", "test"), 6)]
    assert [len(one.named) for one in report.shared] == [1, 5]
    place, other = tmp_path / "train.csv", tmp_path / "test.csv"
    assert report.shared[1].named[0] == f"{place}, line 12 (train) and {other}, line 2 (test)"
    assert [sentence.split(", so")[0] for sentence in warnings(report)] == [
        "marks: 1 input of train also stands in dev, which has 6 rows",
        "marks: 6 inputs of train also stand in test, which has 6 rows",
    ]


def test_places_are_right_after_rows_that_cannot_be_read(tmp_path: Path) -> None:
    rows = cells()
    rows["train"][2] = ["only one cell"]
    rows["dev"][3][0] = rows["train"][20][0]
    (shared,) = checked(write_csv(tmp_path, rows)).shared
    assert shared.named == (f"{tmp_path / 'train.csv'}, line 22 (train) and {tmp_path / 'dev.csv'}, line 5 (dev)",)


def test_inputs_that_stand_in_one_split_more_than_once_are_counted_once_each(tmp_path: Path) -> None:
    rows = cells()
    for row in (1, 2, 3, 11):
        rows["train"][row][0] = rows["train"][10 if row == 11 else 0][0]
    report = checked(write_csv(tmp_path, rows))
    assert [one.repeated for one in report.splits.values()] == [2, 0, 0]
    assert report.shared == ()


def test_a_label_that_training_never_shows_is_found(tmp_path: Path) -> None:
    rows = cells()
    rows["dev"][1][1] = rows["dev"][2][1] = "odd"
    report = checked(write_csv(tmp_path, rows))
    assert report.unseen == {"dev": {"odd": 2}}
    assert "marks dev: 1 label ('odd') stands in no training example" in warnings(report)[-1]
    declared = replace(write_csv(tmp_path, rows), output=Category("label", classes=["good", "bad", "odd", "rare"]))
    known = checked(declared)
    assert known.unseen == report.unseen
    assert [one.classes["odd"] for one in known.splits.values()] == [0, 2, 0]
    assert known.splits["dev"].bad == ()
    assert "2 classes have fewer than 10 training examples ('odd', 'rare')" in warnings(known)[0]


def test_rare_and_common_classes_are_warned_of(tmp_path: Path) -> None:
    rows = cells()
    for row in range(28):
        rows["train"][row][1] = "good"
    rows["train"][28][1] = rows["train"][29][1] = "bad"
    rare, common = warnings(checked(write_csv(tmp_path, rows)))
    assert rare.startswith("marks: 1 class has fewer than 10 training examples ('bad'): add")
    assert common.startswith("marks: 93.3% of the training examples are 'good', which")


def test_what_is_too_long_is_counted_and_warned_of(tmp_path: Path) -> None:
    rows = cells()
    for row in range(3):
        rows["train"][row][0] = " ".join(f"{split} {row}" for split in range(60))
    report = checked(replace(write_csv(tmp_path, rows), input=Text("text", max_length=60)))
    assert counts_add_up(report)
    assert report.splits["train"].too_long == 3
    assert warnings(report)[0].startswith("marks train: 10% of the rows are longer than the limits")
    none = checked(replace(write_csv(tmp_path, rows), input=Text("text", max_length=2)))
    assert refused(none, 1.0) == ["marks train", "marks dev", "marks test"]


def test_no_more_than_two_chunks_of_examples_are_in_memory() -> None:
    class Counted(str):
        """A text that is counted while it is alive."""

        alive = most = 0

        def __new__(cls, text: str) -> Counted:
            Counted.alive += 1
            Counted.most = max(Counted.most, Counted.alive)
            return super().__new__(cls, text)

        def __del__(self) -> None:
            Counted.alive -= 1

    class Made(Sequence[Example]):
        """Examples that are made when they are asked for."""

        def __init__(self, numbers: range) -> None:
            self.numbers = numbers

        def __len__(self) -> int:
            return len(self.numbers)

        def __getitem__(self, place: Any) -> Any:
            if isinstance(place, slice):
                return Made(self.numbers[place])
            return Example(f"made-{place}", Counted(f"the fox {self.numbers[place]}"), "der Fuchs")

        def __iter__(self) -> Iterator[Example]:
            return (self[place] for place in range(len(self)))

    task = next(task for task in TASKS if task.name == "en-de")
    report = check_task(replace(task, examples={"train": Made(range(4 * CHUNK)), "dev": Made(range(2 * CHUNK))}))
    assert report.splits["train"].usable == 4 * CHUNK
    assert report.shared[0].count == 2 * CHUNK
    assert CHUNK <= Counted.most <= 2 * CHUNK + 1


def test_bars_are_as_high_as_their_counts() -> None:
    assert bars([0, 1, 4, 8, 1000, 500]) == " ▁▁▁█▄"
    assert bars([3, 3]) == "██"
    assert bars([]) == ""


def test_the_command_prints_and_writes_all_that_was_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mini8(home / "multimodel" / "mini8")
    assert cli.main(["data", "check", "--preset", "tiny", "--out", "found.json"]) == 0
    shown = capsys.readouterr().out
    found = json.loads(Path("found.json").read_text(encoding="utf-8"))
    assert [task["task"] for task in found["tasks"]] == [task.name for task in TASKS]
    assert all(f"• {sentence}\n" in shown for sentence in found["warnings"])
    assert "imageclass: 4 classes have fewer than 10 training examples" in shown
    assert max(len(line) for line in shown.splitlines() if line.startswith(("│", "┏", "└"))) <= 120
    (caption,) = (task for task in found["tasks"] if task["task"] == "caption")
    assert caption["splits"]["train"]["rows"] == 24


def test_the_report_comes_before_the_refusal_and_the_file_names_every_bad_row(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = cells()
    rows["train"] += [["one cell"]] * (NAMED + 5)
    write_csv(home, rows)
    Path("marks.yaml").write_text(
        "data: {train: train.csv, dev: dev.csv, test: test.csv}\ninput: {text: text}\noutput: {category: label}\n"
    )
    assert cli.main(["data", "check", "marks.yaml", "--preset", "tiny", "--out", "found.json"]) == 2
    written = capsys.readouterr()
    assert written.err.splitlines()[-1].startswith("Training or evaluation would stop at marks train: more than 1.0%")
    assert "marks train: 25 of 55 rows cannot be used" in written.out
    assert written.out.count("train.csv, line ") == NAMED
    assert "… and 5 more" in written.out
    bad = json.loads(Path("found.json").read_text(encoding="utf-8"))["tasks"][0]["splits"]["train"]["bad"]
    assert [one["where"].rpartition(" ")[2] for one in bad] == [str(line) for line in range(32, 57)]


def test_a_report_without_warnings_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(home, cells())
    Path("marks.yaml").write_text(
        "data: {train: train.csv, dev: dev.csv, test: test.csv}\ninput: {text: text}\noutput: {category: label}\n"
    )
    assert cli.main(["data", "check", "marks.yaml", "--preset", "tiny"]) == 0
    assert capsys.readouterr().out.endswith("\nNothing here speaks against training.\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["speach"], "There is no task 'speach'"),
        (["speech"], "mini8.json does not exist. Make the data with `multimodel data build mini8`."),
        (["speech", "--preset", "tinny"], "There is no preset 'tinny': did you mean 'tiny'?"),
        (["none.yaml"], "none.yaml cannot be read"),
    ],
)
def test_what_cannot_be_checked_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert cli.main(["data", "check", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_two_tasks_of_one_name_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(home, cells())
    for name in ("one", "two"):
        (home / f"{name}.yaml").write_text(
            "name: marks\ndata: {train: train.csv}\ninput: {text: text}\noutput: {category: label}\n"
        )
    assert cli.main(["data", "check", "one.yaml,two.yaml", "--preset", "tiny"]) == 2
    assert "There are two tasks named marks" in capsys.readouterr().err


def test_data_is_built_as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Any, Any]] = []
    monkeypatch.setattr("multimodel.data.mini8.build", lambda *given, **named: calls.append((given, named)))
    assert cli.main(["data", "build", "mini8"]) == 0
    words = ["--out", "there", "--packages", "debs", "--sources", "amazon-queen", "fashion"]
    assert cli.main(["data", "build", "mini8", *words]) == 0
    (_, usual), (given, named) = calls
    assert usual["packages"] is None
    assert given == (Path("there"),)
    assert named == {"packages": Path("debs"), "sources": ("amazon-queen", "fashion")}


def test_help_names_both_actions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["data", "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: multimodel data [-h] {build,check}" in shown
    assert "Build a data set" in shown
    assert "Read every example" in shown


def test_a_report_is_made_of_plain_values() -> None:
    report = check_task(TASKS[0])
    assert json.loads(json.dumps(asdict(report)))["splits"]["dev"]["rows"] == 8
