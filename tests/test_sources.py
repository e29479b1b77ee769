"""Tables, folders, aligned text and values in Python as rows: what is read, what is damaged, what is refused."""

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image as Pillow
from reviews import PICTURE, made
from source_files import column, table, whole, written

from multimodel.errors import InputError
from multimodel.sources.open import open_data, split_name
from multimodel.sources.rows import content_fingerprint
from multimodel.sources.splits import split_of
from multimodel.tasks.columns import Category, Image
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.encoded import encode_examples


def test_shards_are_joined_by_pattern_by_list_and_by_folder(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / f"d/part-{number}.csv", f"n,text,other{number}\n{number},{'x' * number},y\n")
    written(tmp_path / "d/._part-9.csv", b"\xff\xfe")
    lists = [f"d/part-{number}.csv" for number in range(3)]
    for data in ("d/part-*.csv", "d/*", lists, tmp_path / "d"):
        rows = whole(data, tmp_path)
        assert (rows.columns, column(rows, "n")) == (("n", "text"), ["0", "1", "2"])
        assert rows.where(2) == f"{tmp_path}/d/part-2.csv, line 2"
    with pytest.raises(InputError, match=r"No file in .*d is named like x-"):
        whole("d/x-*.csv", tmp_path)
    written(tmp_path / "a [1].csv", "n\n7\n")
    assert column(whole("a [1].csv", tmp_path), "n") == ["7"]


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "a.csv", "n\n7\n")
    for data in ("~/a.csv", Path("~/a.csv"), ["~/a.csv"]):
        assert column(whole(data, Path("/elsewhere")), "n") == ["7"]


def test_files_that_cells_name_lie_beside_their_own_shard(tmp_path: Path) -> None:
    for name in ("one", "two"):
        written(tmp_path / name / "a.csv", "image\n1.png\n")
    rows = whole(["one/a.csv", "two/a.csv"], tmp_path)
    assert [rows.file(row, "1.png") for row in range(2)] == [tmp_path / "one/1.png", tmp_path / "two/1.png"]


def test_tables_in_a_folder_are_splits_if_their_names_say_so(tmp_path: Path) -> None:
    for name in ("train-00.parquet", "train-01.parquet", "valid_x.parquet", "Test.v2.parquet"):
        table(tmp_path / name, {"text": [name]})
    found = open_data(tmp_path, Path())
    assert {split: column(rows, "text") for split, rows in found.items()} == {
        "test": ["Test.v2.parquet"],
        "train": ["train-00.parquet", "train-01.parquet"],
        "dev": ["valid_x.parquet"],
    }
    table(tmp_path / "other.parquet", {"text": ["x"]})
    with pytest.raises(InputError, match=r"some are not .*other\.parquet.*name all of them so"):
        open_data(tmp_path, Path())


def test_a_mapping_names_the_splits_itself(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", "text\na\n")
    found = open_data({"Training": "a.csv", "validation": [{"text": "b"}], "test": ["a.csv", "a.csv"]}, tmp_path)
    assert {split: column(rows, "text") for split, rows in found.items()} == {
        "train": ["a"],
        "dev": ["b"],
        "test": ["a", "a"],
    }
    with pytest.raises(InputError, match="no split 'tran': did you mean 'train'"):
        open_data({"tran": "a.csv"}, tmp_path)
    with pytest.raises(InputError, match="gives the split dev twice, as dev and val"):
        open_data({"dev": "a.csv", "val": "a.csv"}, tmp_path)
    with pytest.raises(InputError, match="NoneType"):
        open_data({"train": None}, tmp_path)
    for name in ("train.csv", "test.csv"):
        written(tmp_path / "d" / name, "text\na\n")
    with pytest.raises(InputError, match=r"has splits of its own \(test, train\): give it without naming a split"):
        open_data({"train": "d"}, tmp_path)


@pytest.mark.parametrize(
    ("word", "split"), [("train", "train"), ("TRAINING", "train"), (" val", "dev"), ("dev", "dev"), ("test", "test")]
)
def test_words_for_splits_are_known_in_any_case(word: str, split: str) -> None:
    assert split_name(word) == split


def test_aligned_files_have_a_column_each_and_split_at_line_feeds_only(tmp_path: Path) -> None:
    written(tmp_path / "n.en", "a dog\r\nodd \u2028 \x85 \x0b line\rwith returns\n\nlast")
    written(tmp_path / "n.de", "ein Hund\nseltsam\nleer\nletzte\n")
    rows = whole(["n.en", "n.de"], tmp_path)
    assert rows.columns == ("en", "de")
    assert column(rows, "en") == ["a dog", "odd \u2028 \x85 \x0b line\rwith returns", "", "last"]
    assert rows.where(1) == f"{tmp_path}/n.en, line 2"
    written(tmp_path / "n.fr", b"un\nd\xe9ux\ntrois\nquatre\n")
    with pytest.raises(InputError, match=r"n\.fr, line 2: This line is not UTF-8"):
        whole(["n.en", "n.fr"], tmp_path).cell(1, "en")


def test_aligned_files_must_be_there_be_told_apart_and_have_equally_many_lines(tmp_path: Path) -> None:
    for name, lines in (("a.en", 3), ("a.de", 4), ("b.en", 3), ("plain", 3), ("c.csv", 3)):
        written(tmp_path / name, "x\n" * lines)
    for names, message in (
        (["a.en", "a.de"], r"equally many lines: .*a\.en 3, .*a\.de 4"),
        (["a.en", "b.en"], r"told apart by their endings.*rename .*a\.en, .*b\.en"),
        (["a.en", "plain"], "told apart by their endings"),
        (["a.en", "a.fr"], r"a\.fr does not exist"),
        (["c.csv", "a.en"], r"a\.en has an ending that is not read"),
    ):
        with pytest.raises(InputError, match=message):
            whole(names, tmp_path)


def test_a_folder_of_classes_is_read_and_hidden_files_are_not(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/.DS_Store", ".git/x", "notes.txt", "cat/.deep/3.png"):
        written(tmp_path / name, "x")
    rows = whole(tmp_path, Path())
    assert column(rows, "file") == ["cat/1.png", "cat/2.png", "dog/1.png"]
    assert column(rows, "class") == ["cat", "cat", "dog"]
    assert rows.where(2) == str(tmp_path / "dog/1.png") == str(rows.file(2, "dog/1.png"))
    before = rows.fingerprint
    written(tmp_path / "dog/1.png", "other")
    assert whole(tmp_path, Path()).fingerprint != before


def test_folders_named_by_split_stand_above_the_classes(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "validation/cat/2.png", "validation/dog/3.png"):
        written(tmp_path / name, "x")
    rows = whole(tmp_path, Path())
    assert column(rows, "split") == ["train", "validation", "validation"]
    assert column(rows, "class") == ["cat", "cat", "dog"]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.tsv", "metadata.jsonl"])
def test_a_metadata_table_beside_the_files_is_read_instead(tmp_path: Path, name: str) -> None:
    ending = name.split(".")[1]
    lines = {"csv": "file,text\ncat/1.png,a cat", "tsv": "file\ttext\ncat/1.png\ta cat"}
    written(tmp_path / name, lines.get(ending, json.dumps({"file": "cat/1.png", "text": "a cat"})))
    written(tmp_path / "cat/1.png", "x")
    rows = whole(tmp_path, Path())
    assert column(rows, "text") == ["a cat"]
    assert rows.file(0, rows.cell(0, "file")).read_text() == "x"


def test_a_file_that_is_gone_is_a_bad_row_by_name_and_a_name_need_not_be_utf8(tmp_path: Path) -> None:
    for name in ("cat/a.png", os.fsdecode(b"cat/\xff.png"), os.fsdecode(b"dog/b\xe9.png")):
        written(tmp_path / name, PICTURE)
    (tmp_path / os.fsdecode(b"dog/b\xe9.png")).write_bytes(b"no picture")
    (tmp_path / "dog/gone.png").symlink_to("store/nothing.png")
    pets = Category("class", classes=["cat", "dog"])
    one = Declaration(name="pets", data={"train": tmp_path}, input=Image("file"), output=pets)
    (task,) = made(one)
    encoded = encode_examples(task, "train", cache=tmp_path / ".cache", most_bad=1.0)
    assert encoded.rows.tolist() == [0, 1]
    for bad, name, why in zip(encoded.bad, (r"b\udce9.png", "gone.png"), ("not an image", "not exist"), strict=True):
        assert bad.isprintable()
        assert name in bad
        assert why in bad
    before = whole(tmp_path, Path()).fingerprint
    (tmp_path / "dog/gone.png").unlink()
    written(tmp_path / "dog/gone.png", PICTURE)
    assert whole(tmp_path, Path()).fingerprint != before


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat/deep/1.png", "dog/2.png"], r"cat/deep is a folder where .*: put the files .*, or divide .* train, dev"),
        (["train/cat/1.png", "all/cat/2.png"], r"all/cat is a folder where .* train, dev and test alone\.$"),
        (["train/cat/1.png", "test/cat/deep/2.png"], r"test/cat/deep is a folder where .*: put the files .*there\.$"),
    ],
)
def test_a_folder_where_files_should_be_is_refused_by_name(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        written(tmp_path / name, "x")
    with pytest.raises(InputError, match=message):
        whole(tmp_path, Path())


@pytest.mark.parametrize("name", ["notes.txt", "train/1.png", ".hidden/cat/1.png"])
def test_a_folder_without_classes_or_tables_is_refused(tmp_path: Path, name: str) -> None:
    written(tmp_path / name, "x")
    with pytest.raises(InputError, match="holds no files to learn from: put them into one folder a class"):
        whole(tmp_path, Path())


def test_an_unknown_layout_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no layout 'imgenet': did you mean 'imagenet'"):
        whole(tmp_path, Path(), layout="imgenet")


def test_dicts_and_data_frames_are_tables_and_missing_keys_are_empty(tmp_path: Path) -> None:
    rows = whole([{"text": "a", 5: 1}, {"label": "x"}], tmp_path)
    assert rows.columns == ("text", "5", "label")
    assert column(rows, "text") == ["a", None]
    assert (rows.where(1), rows.file(1, "a.png")) == ("row 1", tmp_path / "a.png")
    frame = pandas.DataFrame({"text": ["a", "b", "c"], "n": [1, 2, 3]}).iloc[1:]
    rows = whole(frame, tmp_path)
    assert column(rows, "text") == ["b", "c"]
    assert [type(cell) for cell in column(rows, "n")] == [int, int]
    assert len(whole(({"n": n} for n in iter(int, 1)), tmp_path, limit=5)) == 5
    with pytest.raises(InputError, match="names a column twice: n, n"):
        whole(pandas.DataFrame([[1, 2]], columns=["n", "n"]), tmp_path)


@pytest.mark.parametrize("data", [5, None, [], [1, 2], b"bytes", [{"text": "a"}, "b"], {"train": {"text": ["a"]}}])
def test_values_that_hold_no_examples_are_refused(data: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Examples"):
        open_data(data, tmp_path)


def picture(level: int, mode: str = "L") -> Pillow.Image:
    return Pillow.new(mode, (4, 4), level)


def test_the_fingerprint_of_values_changes_with_every_one_of_them_and_with_their_names(tmp_path: Path) -> None:
    sound = np.zeros(5000)
    other = sound.copy()
    other[2500] = 1.0  # `repr` leaves out the middle
    values = [1, "1", True, 1.0, None, b"1", [1], {"a": 1}, {"a": 2}, sound, other, sound.astype(np.float32)]
    values += [picture(0), picture(9), picture(0, "P"), {"array": sound}, {"array": other}]
    digests = [whole([{"text": value}], tmp_path).fingerprint for value in values]
    assert len(set(digests)) == len(digests)
    assert digests[-5] == whole([{"text": picture(0)}], tmp_path).fingerprint
    named = [whole([{first: "x", second: "y"}], tmp_path).fingerprint for first, second in (("en", "de"), ("de", "en"))]
    assert named[0] != named[1]
    assert content_fingerprint([["a"], "b"]) != content_fingerprint(["a", ["b"]])


@given(text=some.text(min_size=1), spaces=some.text(" \t\n", max_size=3), share=some.integers(1, 499))
def test_the_split_of_a_text_is_the_same_with_other_spacing(text: str, spaces: str, share: int) -> None:
    part = Fraction(share, 1000)
    assert split_of(text, part) == split_of(spaces.join(["", *text, ""]), part)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.15, 0.3, 0.4, 0.45])
def test_shares_are_as_asked_and_training_is_the_rest(share: float) -> None:
    splits = [split_of(f"text {number}", Fraction(share).limit_denominator(10**6)) for number in range(4000)]
    for split, expected in (("dev", share), ("test", share), ("train", 1 - 2 * share)):
        assert splits.count(split) / 4000 == pytest.approx(expected, abs=0.025)
