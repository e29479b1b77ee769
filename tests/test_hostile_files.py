"""Files that are none: pipes, devices, loops and endless ones are refused at once wherever data may name a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import TIMEOUT, answer, grown, refused
from toy import png

from multimodel.errors import InputError
from multimodel.sources.corpora import CORPORA
from multimodel.sources.files import LARGEST_FILE
from multimodel.sources.open import open_data
from multimodel.tasks.columns import Category, Image
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.examples import open_examples
from multimodel.tasks.image import Image as Pixels

pytestmark = TIMEOUT
PICTURE = png(np.zeros((4, 4, 3), dtype=np.uint8))


# named by cells


def pictures(folder: Path, *names: str) -> Any:
    rows = [{"image": name, "label": label} for name, label in zip(names, "xy" * len(names), strict=False)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    one = Declaration(
        name="p", data={"train": "a.jsonl"}, input=Image("image"), output=Category("label"), folder=folder
    )
    return open_examples(one)["train"]


def test_a_cell_may_name_a_picture_anywhere_and_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "a.png").write_bytes(PICTURE)
    (tmp_path / "data/link.png").symlink_to("../a.png")
    examples = pictures(tmp_path / "data", "../a.png", str(tmp_path / "a.png"), "link.png", "./../data//../a.png")
    assert [example.input for example in examples] == [PICTURE] * 4
    assert len(examples.fingerprint) > 10


def test_no_pipe_device_folder_or_endless_file_is_read_for_a_cell(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, target in (
        ("zero", "/dev/zero"),
        ("tty", "/dev/tty"),
        ("loop", "loop"),
        ("gone", "nothing"),
        ("to", "pipe"),
    ):
        (tmp_path / name).symlink_to(target)
    with (tmp_path / "vast").open("wb") as vast:
        vast.truncate(LARGEST_FILE * 1000)
    names = [
        "pipe",
        "zero",
        "tty",
        "loop",
        "gone",
        "to",
        "vast",
        ".",
        "..",
        "a" * 5000,
        "nu\0l",
        "\ud800",
        "/dev/stdin",
    ]
    names += ["/proc/self/mem", "/proc/kmsg", "/proc/self/environ", "/etc/passwd", "a.jsonl/b", "x\n\x1b[31m"]
    examples = pictures(tmp_path, *names)
    assert grown(lambda: [answer(lambda place=place: examples[place]) for place in range(len(names))]) < 50
    for place in range(16):
        refused(
            lambda place=place: examples[place],
            rf"^.*a\.jsonl, line {place + 1}: column 'image': .*(read|exist|is empty)",
        )


def test_what_a_text_file_says_is_never_repeated_for_a_cell_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("top secret words")
    raw = pictures(tmp_path, "secret")[0].input
    with pytest.raises(InputError) as caught:
        Pixels(height=4, width=4).encode(raw)
    assert "secret words" not in str(caught.value)


# as data


def test_a_pipe_or_a_device_as_data_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet", "b.en", "b.de"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for data in (
        "a.csv",
        "a.tsv",
        "a.jsonl",
        "a.parquet",
        ["b.en", "b.de"],
        "zero.csv",
        "*.csv",
        ["a.parquet", "a.csv"],
    ):
        refused(lambda data=data: open_data(data, tmp_path), "cannot be read: it is a pipe or a device, not a file")


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("treebank", "wsj_0001.mrg"),
        ("librispeech", "train-a/1/2/1-2.trans.txt"),
        ("kaldi", "wav.scp"),
        ("coco", "annotations/captions_train2017.json"),
    ],
)
def test_a_pipe_in_the_folder_of_a_corpus_is_refused_at_once(layout: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "train2017").mkdir()
    os.mkfifo(path)
    refused(lambda: CORPORA[layout](tmp_path), "it is a pipe or a device|it must hold")
