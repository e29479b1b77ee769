"""The arrays of declared tasks on disk: made once, found again, made anew when anything changes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from reviews import CELLS, INPUTS, LONG, PICTURE, REVIEWS, ROWS, TEXTS, csv, made
from toy import png

from multimodel.tasks.arrays import Arrays, Writer, mapped
from multimodel.tasks.columns import Category, Image, Text
from multimodel.tasks.encoded import Encoded, encode_examples
from multimodel.tasks.vocabulary import Vocabulary

TASK = made(REVIEWS)[0]


def same(first: Encoded, second: Encoded) -> None:
    for left, right in zip((*first.inputs, *first.outputs), (*second.inputs, *second.outputs), strict=True):
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype
    assert (first.rows.tolist(), first.input_costs.tolist()) == (second.rows.tolist(), second.input_costs.tolist())
    assert (first.too_long, first.bad) == (second.too_long, second.bad)


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*.index.npz"))


@pytest.mark.parametrize("kind", INPUTS)
def test_mapped_arrays_equal_those_in_memory(tmp_path: Path, kind: str) -> None:
    rows = {"train": [*ROWS, {**ROWS[0], "text": LONG}, dict.fromkeys(CELLS)]}
    (task,) = made(replace(REVIEWS, data=rows, input=INPUTS[kind], output=Text("text"), command="", measure=""))
    memory = encode_examples(task, "train", most_bad=1.0)
    for _ in range(2):
        same(encode_examples(task, "train", cache=tmp_path, most_bad=1.0), memory)
    assert len(entries(tmp_path)) == 1
    assert (memory.too_long, len(memory.bad)) == (1, 1)


def test_other_data_settings_limits_or_vocabularies_are_encoded_anew(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = csv(tmp_path / "a.csv", [f"{text},{'xy'[place % 2]}" for place, text in enumerate(TEXTS)])
    declared = replace(REVIEWS, data={"train": "a.csv"}, folder=tmp_path)

    def count(vocabulary: Vocabulary | None = None, limit: int | None = None, **changes: Any) -> int:
        (task,) = made(replace(declared, **changes), vocabulary=vocabulary)
        encode_examples(task, "train", cache=cache, limit=limit)
        return len(entries(cache))

    assert [count(), count(name="other", rate=2.0, output=Category("label", net="n"))] == [1, 2]
    assert [count(), count(limit=5), count(input=Text("text", max_length=50))] == [2, 3, 4]
    other = made(replace(REVIEWS, data={"train": [{"text": "zz zz", "label": x} for x in "xy"]}))[0].input.vocabulary
    assert [count(other), count(other), count(input=Text("label"))] == [5, 5, 6]
    content = path.read_text()
    path.write_text(content.replace("the", "she"))
    os.utime(path, (1, 1))
    assert [count(), count()] == [7, 7]


def test_a_file_that_a_cell_names_is_read_again_when_it_changes_or_appears(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    csv(tmp_path / "a.csv", ["1.png,x", "2.png,y"])
    (tmp_path / "1.png").write_bytes(PICTURE)
    (task,) = made(replace(REVIEWS, data={"train": "a.csv"}, folder=tmp_path, input=Image("text")))
    assert len(encode_examples(task, "train", cache=cache, most_bad=0.5).bad) == 1
    (tmp_path / "2.png").write_bytes(PICTURE)
    assert encode_examples(task, "train", cache=cache).rows.tolist() == [0, 1]
    white = png(np.full((6, 6, 3), 255, dtype=np.uint8))
    (tmp_path / "1.png").write_bytes(white)
    os.utime(tmp_path / "1.png", (1, 1))
    assert encode_examples(task, "train", cache=cache).inputs[0].min() == 255


def test_what_a_killed_process_left_is_no_hindrance_and_what_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = made(REVIEWS)
    first = encode_examples(task, "train")
    encode_examples(task, "train", cache=tmp_path)
    for path in list(tmp_path.iterdir()):
        path.with_name(f"{path.name.removesuffix('.npz')}.other.part").write_bytes(path.read_bytes()[:7])
    next(tmp_path.glob("*.index.npz")).unlink()
    for _ in range(2):
        same(encode_examples(task, "train", cache=tmp_path), first)
    assert len(list(tmp_path.iterdir())) == 6  # those of the other process stay: it may be alive

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encode_examples(task, "train", cache=tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


@settings(max_examples=20, deadline=None)
@given(places=some.lists(some.integers(0, 10**6), min_size=1, max_size=3), bits=some.integers(1, 255))
def test_a_damaged_index_is_made_anew(tmp_path_factory: pytest.TempPathFactory, places: list[int], bits: int) -> None:
    cache = tmp_path_factory.mktemp("cache")
    first = encode_examples(TASK, "train", cache=cache)
    (path,) = cache.glob("*.index.npz")
    content = bytearray(path.read_bytes())
    for place in places:
        content[place % len(content)] ^= bits
    path.write_bytes(content)
    same(encode_examples(TASK, "train", cache=cache), first)


def test_two_processes_find_the_same_entries(tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, CELLS["label"], strict=True)]
    csv(tmp_path / "a.csv", [f"{row['text']},{row['label']}" for row in rows])
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    script = f"""
from pathlib import Path
from multimodel.tasks.columns import Category, Text
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.declared import declared_tasks
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.settings import DataSettings
for data in ({rows!r}, "a.csv", "a.parquet"):
    given = dict(data={{"train": data}}, folder=Path({str(tmp_path)!r}))
    declared = Declaration(name="reviews", input=Text("text"), output=Category("label"), **given)
    (task,) = declared_tasks([declared], DataSettings(vocabulary=300, max_symbols=60))[1]
    encode_examples(task, "train", cache=Path({str(tmp_path / "cache")!r}))
"""
    other = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", script], check=True, env=other, capture_output=True)
    assert len(entries(tmp_path / "cache")) == 3
    exec(script, {})
    assert len(entries(tmp_path / "cache")) == 3


SHAPES = some.lists(some.tuples(some.integers(1, 4), some.integers(1, 3)), max_size=8)


@given(shapes=SHAPES, order=some.randoms(use_true_random=False), file=some.booleans())
def test_arrays_come_back_whole_sliced_and_taken(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, int]], order: Any, file: bool
) -> None:
    given = [np.arange(rows * columns, dtype=np.float16).reshape(columns, rows).T for rows, columns in shapes]
    path = tmp_path_factory.mktemp("arrays") / "values"
    with path.open("wb") as opened:
        writer = Writer(opened if file and given else None)
        for array in given:
            writer.add(array)
    arrays = mapped(path, writer.dtype, writer.shapes) if file and given else writer.arrays()
    assert len(arrays) == len(given)
    places = [order.randrange(len(given)) for _ in given]
    for found, wanted in (
        (arrays, given),
        (arrays[1:5:2], given[1:5:2]),
        (arrays[::-1], given[::-1]),
        (arrays.take(np.array(places, dtype=np.int64)), [given[place] for place in places]),
        (arrays[2:].take(np.arange(len(given[2:]))), given[2:]),
    ):
        assert isinstance(found, Arrays)
        assert [array.tolist() for array in found] == [array.tolist() for array in wanted]
    if given:
        assert arrays[-1].tolist() == arrays[np.int64(len(given) - 1)].tolist() == given[-1].tolist()
