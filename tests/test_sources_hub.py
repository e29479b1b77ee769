"""Data sets of the library `datasets` as rows, all of them made here and read without a network."""

import io
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pyarrow as arrow
import pytest
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Image, IterableDataset, Value
from toy import png

from multimodel.errors import InputError
from multimodel.folders import streams_folder
from multimodel.sources.open import WHOLE, open_data
from multimodel.sources.rows import Rows
from multimodel.tasks.cells import file_bytes

FEATURES = Features(
    {
        "image": Image(),
        "sound": Audio(),
        "label": ClassLabel(names=["red", "blue"]),
        "pair": {"en": Value("string"), "kind": ClassLabel(names=["noun", "verb"])},
    }
)


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    datasets.disable_progress_bars()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setparams((1, 2, 8000, 0, "NONE", ""))
        opened.writeframes(bytes(200))
    return file.getvalue()


def picture(level: int) -> bytes:
    return png(np.full((4, 4, 3), level, dtype=np.uint8))


def records(count: int) -> list[dict[str, object]]:
    return [
        {
            "image": {"bytes": picture(number), "path": None},
            "sound": {"bytes": sound(), "path": "a.wav"},
            "label": number % 3 - 1,
            "pair": {"en": f"word {number}", "kind": number % 2},
        }
        for number in range(count)
    ]


def made(count: int = 6) -> Dataset:
    table = arrow.Table.from_pylist(records(count), schema=FEATURES.arrow_schema)
    return Dataset(table)


def column(rows: Rows, name: str) -> list[object]:
    return [rows.cell(row, name) for row in range(len(rows))]


def check(rows: Rows, count: int) -> None:
    """What every way to these data gives."""
    assert len(rows) == count
    assert {"image", "sound", "label", "pair", "pair.en", "pair.kind"} <= set(rows.columns)
    assert [file_bytes(cell, Path, "image") for cell in column(rows, "image")] == [picture(n) for n in range(count)]
    assert {file_bytes(cell, Path, "audio") for cell in column(rows, "sound")} == {sound()}
    assert column(rows, "label") == [(None, "red", "blue")[number % 3] for number in range(count)]
    assert column(rows, "pair.en") == [f"word {number}" for number in range(count)]
    assert column(rows, "pair.kind") == [("noun", "verb")[number % 2] for number in range(count)]
    assert rows.where(3) == "row 3"


def shards(folder: Path, names: tuple[str, ...] = ("train", "validation")) -> Path:
    for name in names:
        folder.mkdir(exist_ok=True)
        made().to_parquet(folder / f"{name}.parquet")
    return folder


def test_a_loaded_data_set_keeps_files_as_bytes_and_names_its_classes() -> None:
    check(open_data(made(), Path())[WHOLE], 6)
    check(open_data(made(9).select(range(6)).with_format("numpy"), Path())[WHOLE], 6)


def test_a_dict_of_data_sets_has_its_splits_and_other_splits_are_left_out() -> None:
    found = open_data(DatasetDict(train=made(), validation=made(4), unsupervised=made(2)), Path())
    assert {split: len(rows) for split, rows in found.items()} == {"train": 6, "dev": 4}
    check(found["dev"], 4)
    with pytest.raises(InputError, match="has the splits one, two: one must be named train"):
        open_data(DatasetDict(one=made(), two=made()), Path())


def test_splits_that_begin_alike_are_joined_unless_one_is_called_so() -> None:
    parts = {"train.100": 2, "train.360": 3, "validation_a": 1, "validation_b": 1, "test": 4, "test_extra": 6, "raw": 1}
    found = open_data(DatasetDict({name: made(count) for name, count in parts.items()}), Path())
    assert {split: len(rows) for split, rows in found.items()} == {"train": 5, "dev": 2, "test": 4}
    assert column(found["train"], "pair.en") == ["word 0", "word 1", "word 0", "word 1", "word 2"]


def test_splits_of_two_names_for_one_are_joined() -> None:
    found = open_data(DatasetDict(train=made(), dev=made(4), validation=made(3)), Path())
    assert {split: len(rows) for split, rows in found.items()} == {"train": 6, "dev": 7}


def test_what_was_saved_to_disk_is_found_again(tmp_path: Path) -> None:
    made().save_to_disk(tmp_path / "alone")
    check(open_data("alone", tmp_path)[WHOLE], 6)
    DatasetDict(train=made(), test=made(4)).save_to_disk(tmp_path / "both")
    found = open_data("both", tmp_path)
    assert list(found) == ["train", "test"]
    check(found["test"], 4)
    for path in (tmp_path / "alone").glob("*.arrow"):
        path.write_bytes(b"no arrow")
    with pytest.raises(InputError, match="alone cannot be loaded as a data set: "):
        open_data("alone", tmp_path)


@pytest.mark.parametrize("limit", [None, 4])
def test_a_folder_of_parquet_is_a_data_set_of_the_hub(tmp_path: Path, limit: int | None) -> None:
    found = open_data(f"hub:{shards(tmp_path / 'data')}", Path(), limit=limit)
    assert list(found) == ["train", "dev"]
    check(found["train"], limit or 6)


def test_the_same_folder_read_as_plain_tables_has_the_same_columns(tmp_path: Path) -> None:
    plain = open_data(shards(tmp_path / "data"), Path())["train"]
    loaded = open_data(f"hub:{tmp_path / 'data'}", Path())["train"]
    assert plain.columns == loaded.columns
    assert column(plain, "pair.en") == column(loaded, "pair.en")


def test_the_first_rows_of_a_stream_are_kept() -> None:
    for stream in (made().to_iterable_dataset(), made(9).to_iterable_dataset()):
        check(open_data(stream, Path(), limit=5)[WHOLE], 5)
    assert len(list(streams_folder().iterdir())) == 1  # the same rows, whatever they came from
    check(open_data(made().to_iterable_dataset(), Path())[WHOLE], 6)
    with pytest.raises(InputError, match="stream of examples is empty"):
        open_data(made().to_iterable_dataset().take(0), Path(), limit=5)


def test_a_stream_keeps_the_files_that_it_names(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        path.write_bytes(picture(number))
    data = Dataset.from_dict({"image": list(map(str, paths))}).cast_column("image", Image())
    loaded, kept = (open_data(one, Path(), limit=2)[WHOLE] for one in (data, data.to_iterable_dataset()))
    assert [file_bytes(cell, Path, "image") for cell in column(loaded, "image")] == [picture(0), picture(1)]
    paths[0].unlink()
    assert file_bytes(kept.cell(0, "image"), Path, "image") == picture(0)
    with pytest.raises(InputError, match=r"0\.png does not exist"):
        file_bytes(loaded.cell(0, "image"), Path, "image")


def test_streams_without_features_are_told_apart_by_their_rows() -> None:
    def numbers(first: int) -> Iterator[dict[str, object]]:
        for number in range(first, first + 3):
            yield {"n": number, "text": {"en": str(number)}}

    streams = [IterableDataset.from_generator(numbers, gen_kwargs={"first": first}) for first in (0, 10)]
    found = [open_data(stream, Path(), limit=2)[WHOLE] for stream in streams]
    assert [column(rows, "n") for rows in found] == [[0, 1], [10, 11]]
    assert column(found[1], "text.en") == ["10", "11"]
    assert found[0].fingerprint != found[1].fingerprint
    again = open_data(streams[0], Path(), limit=2)[WHOLE]
    assert again.fingerprint == found[0].fingerprint


def test_a_stream_that_breaks_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        raise ConnectionError("the line is dead\nsee below")

    stream = datasets.IterableDatasetDict(train=IterableDataset.from_generator(broken))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: stream)
    with pytest.raises(InputError, match=r"The data set any/thing cannot be loaded: .*dead$"):
        open_data("hub:any/thing", Path(), limit=5)
    assert list(streams_folder().iterdir()) == []


def test_rows_streamed_from_the_hub_are_fetched_once_a_local_folder_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    stream = datasets.IterableDatasetDict(train=made().to_iterable_dataset())
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, streaming: asked.append((*names, streaming)) or stream)
    for name in ("owner/name", "owner/name", "owner/name:german"):
        check(open_data(f"hub:{name}", Path(), limit=5)["train"], 5)
    assert asked == [("owner/name", None, True)] * 2 + [("owner/name", "german", True)]
    stream["train"] = made(9).to_iterable_dataset().skip(1)
    assert open_data("hub:owner/name", Path(), limit=5)["train"].cell(0, "pair.en") == "word 0"
    assert open_data(f"hub:{tmp_path}", Path(), limit=5)["train"].cell(0, "pair.en") == "word 1"


def test_a_hub_out_of_reach_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"^The data set nobody/nothing cannot be loaded: [^\n]+$"):
        open_data("hub:nobody/nothing", Path())


def test_without_the_library_its_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made().save_to_disk(tmp_path / "alone")
    monkeypatch.setitem(sys.modules, "datasets", None)
    for data in ("hub:owner/name", str(tmp_path / "alone")):
        with pytest.raises(InputError, match=r"pip install 'multimodel\[hub\]'"):
            open_data(data, Path())


def test_the_fingerprint_is_the_same_in_two_processes_and_another_for_other_rows(tmp_path: Path) -> None:
    made().save_to_disk(tmp_path / "alone")
    script = f"""
from pathlib import Path
from multimodel.sources.open import open_data
print(open_data({str(tmp_path / "alone")!r}, Path())[""].fingerprint)
"""
    other = {**os.environ, "PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", script], check=True, env=other, capture_output=True, text=True)
    found = open_data("alone", tmp_path)[WHOLE].fingerprint
    assert run.stdout.strip() == found
    assert open_data(made().select(range(5)), Path())[WHOLE].fingerprint != found
