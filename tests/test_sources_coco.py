"""COCO: a row for each caption."""

import json
from pathlib import Path

import pytest
from corpora import (
    CAPTIONS,
    COCO,
    IMAGE,
    column,
    content,
    jpeg,
    splits,
    write,
)

from multimodel.errors import InputError


def test_each_caption_of_a_picture_is_a_row(tmp_path: Path) -> None:
    write(tmp_path, COCO)
    rows = splits("coco", tmp_path)["train"]
    assert rows.columns == ("file", "caption", "image_id", "caption_id")
    assert column(rows, "caption") == ["A tall animal eats from a tree.", "Boxes of food.", "Two giraffes."]
    assert column(rows, "file") == [f"train2017/0000000000{name}.jpg" for name in ("25", "09", "25")]
    assert column(rows, "image_id") == [25, 9, 25]
    assert column(rows, "caption_id") == [770, 771, 772]
    assert rows.where(1) == f"{tmp_path}/annotations/captions_train2017.json, caption 771"
    assert content(rows, 2) == jpeg()


def test_the_picture_of_a_caption_may_be_missing_until_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, COCO)
    rows = splits("coco", tmp_path)["train"]
    with pytest.raises(InputError, match=r"000000000009\.jpg does not exist"):
        IMAGE.read(str(rows.file(1, rows.cell(1, "file"))))


def test_the_year_2014_and_pictures_in_a_folder_of_their_own_are_read(tmp_path: Path) -> None:
    path = "images/val2014/COCO_val2014_000000000009.jpg"
    names = {"images": [{"id": 9, "file_name": Path(path).name}], "annotations": CAPTIONS["annotations"][1:2]}
    write(tmp_path, {"annotations/captions_val2014.json": json.dumps(names), path: jpeg()})
    found = splits("coco", tmp_path)
    assert found.keys() == {"test"}
    assert column(found["test"], "file") == [path]


def test_damaged_captions_are_told_one_by_one(tmp_path: Path) -> None:
    given = [
        {"image_id": 9, "id": 1, "caption": "Food."},
        {"image_id": 8, "id": 2, "caption": "Not listed."},
        {"image_id": 9, "id": 3, "caption": " \n"},
        {"image_id": [9], "id": 4, "caption": "A list."},
        {"image_id": 9, "id": 5},
        "a word",
    ]
    listed = json.dumps({"images": [*CAPTIONS["images"], {"id": 8}, "a word"], "annotations": given})
    write(tmp_path, {**COCO, "annotations/captions_train2017.json": listed})
    rows = splits("coco", tmp_path)["train"]
    assert (len(rows), rows.cell(0, "caption")) == (6, "Food.")
    for row, message in enumerate(["no image 8", "no caption", "no image", "no caption", "no caption"], 1):
        with pytest.raises(InputError, match=message):
            rows.cell(row, "caption")


def test_two_years_that_share_pictures_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {**COCO, "annotations/captions_val2014.json": json.dumps(CAPTIONS), "val2014/1.jpg": jpeg()})
    with pytest.raises(InputError, match="2014 and 2017"):
        splits("coco", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', "\xff"])
def test_a_file_that_holds_no_captions_is_refused_by_name(tmp_path: Path, text: str) -> None:
    write(tmp_path, {**COCO, "annotations/captions_val2017.json": text.encode("latin-1")})
    with pytest.raises(InputError, match=r"captions_val2017\.json is"):
        splits("coco", tmp_path)
