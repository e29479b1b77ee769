"""Examples whose cells name files, however they name them: what changes with the files, and how they are divided."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reviews import PICTURE, REVIEWS, SOUND, made

from multimodel.tasks.columns import Audio, Category, Image
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.examples import open_examples

CELLS: dict[str, Callable[[str], object]] = {
    "text": str,
    "path": Path,
    "mapping": lambda name: {"bytes": None, "path": name},
    "mapping-of-path": lambda name: {"path": Path(name)},
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_file_that_changes_is_encoded_anew(tmp_path: Path, kind: str) -> None:
    cells = [CELLS[kind](name) for name in ("a.png", "b.png")]
    data = [{"image": cell, "label": label} for cell, label in zip([None, *cells], "xxy", strict=True)]
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PICTURE)
    (task,) = made(replace(REVIEWS, data={"train": data}, input=Image("image"), folder=tmp_path))
    before = task.examples["train"].fingerprint
    assert len(encode_examples(task, "train", cache=tmp_path / "cache", most_bad=0.5)) == 2
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert task.examples["train"].fingerprint != before
    assert len(encode_examples(task, "train", cache=tmp_path / "cache", most_bad=0.7)) == 1


@pytest.mark.parametrize("kind", CELLS)
def test_rows_of_one_file_fall_into_one_split(tmp_path: Path, kind: str) -> None:
    names = [f"{number % 30}.wav" for number in range(90)]
    rows = [{"id": str(row), "sound": CELLS[kind](name), "label": "xy"[row % 2]} for row, name in enumerate(names)]
    given = [{"sound": {"bytes": None, "path": None}}, *rows]  # an empty cell says nothing of the others
    declared = replace(REVIEWS, data=given, input=Audio("sound"), output=Category("label"), held_out=0.3, id="id")
    found = {
        split: {names[row - 1] for row in examples.places.tolist() if row}
        for split, examples in open_examples(declared).items()
    }
    assert found.keys() == {"train", "dev", "test"}
    assert sum(map(len, found.values())) == 30


def test_bytes_are_divided_and_told_apart_as_they_are(tmp_path: Path) -> None:
    rows = [
        {"id": str(row), "sound": {"bytes": SOUND, "path": "same.wav"}, "label": "xy"[row % 2]} for row in range(60)
    ]
    declared = replace(REVIEWS, data=rows, input=Audio("sound"), held_out=0.3, id="id", folder=tmp_path)
    found = open_examples(declared)
    assert found.keys() == {"train", "dev", "test"}
    before = found["train"].fingerprint
    (tmp_path / "same.wav").write_bytes(b"not looked at")
    os.utime(tmp_path / "same.wav")
    assert found["train"].fingerprint == before
