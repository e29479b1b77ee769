"""Tables made to do harm: every cell is read or refused with its row, in memory that the file itself pays for."""

from __future__ import annotations

import datetime as dt
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hostile import TIMEOUT, answer, damaged, fuzz, grown, refused
from hypothesis import given
from hypothesis import strategies as some
from toy import png, wav

from multimodel.sources.rows import Rows, columns_of
from multimodel.sources.tables import READERS, Parquet, read_csv, read_jsonl, read_table
from multimodel.tasks.columns import Audio, Category, Image, Text, Tree, Waveform
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.examples import open_examples

pytestmark = TIMEOUT
PICTURE, SOUND = png(np.zeros((4, 4, 3), dtype=np.uint8)), wav(np.zeros(100))
COLUMNS = [made("text") for made in (Text, Tree, Image, Audio, Waveform, Category)]
ROWS = [
    {"text": text, "label": label, "n": [1, {"a": None}]} for text, label in (("one", "x"), ("zwö", "y"), ("", "x"))
]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(columns: Mapping[str, Any] | arrow.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    made = columns if isinstance(columns, arrow.Table) else arrow.table(columns)
    parquet.write_table(made, file, row_group_size=options.pop("rows", 2), **options)
    return file.getvalue()


def read_all(rows: Rows) -> int:
    """Every cell as every kind of column would have it; how many can be used."""
    usable = 0
    for row in range(min(len(rows), 50)):
        for name in rows.columns[:20]:
            for column in COLUMNS:
                cell = answer(lambda row=row, name=name: (rows.cell(row, name),))
                found = cell and answer(
                    lambda c=column, cell=cell, row=row: c.raw(cell[0], lambda file: rows.file(row, file))
                )
                usable += found is not None
    return usable


SEEDS = {
    ".csv": [b'text,label\none,x\n"two, ""2""\nlines",y\r\n\nthree,x\n', "\ufefftext,läbel\n".encode() + b"\xff,\0\n"],
    ".tsv": [b'text\tlabel\none\tx\n"two\ty\n'],
    ".jsonl": [
        "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
        b'{"text": NaN}\n[1]\n{"text": 1e999}\n{"text": "\\ud800"}\n',
    ],
    ".parquet": [
        table({"text": ["a", None, "b"], "n": [[1], None, []], "s": [{"a": {"b": "x"}}] * 3}),
        table({"text": [b"\xff", b"", None], "d": [dt.date(2020, 1, 1)] * 3}, compression="zstd"),
        table({"text": ["a", "b", "c"]}, use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY"),
    ],
}


@fuzz
@given(some.sampled_from(sorted(SEEDS)).flatmap(lambda ending: some.tuples(some.just(ending), damaged(SEEDS[ending]))))
def test_a_damaged_table_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, given: tuple[str, bytes]) -> None:
    path = written(tmp_path_factory.mktemp("table") / f"a{given[0]}", given[1])
    rows = answer(lambda: read_table(path))
    if rows is not None:
        read_all(rows)


def test_every_ending_has_its_seeds() -> None:
    assert {*SEEDS, ".ndjson"} == set(READERS)


@fuzz
@given(
    some.lists(
        some.text("a,\"\t\n\r\0é'", max_size=12) | some.binary(max_size=6).map(lambda raw: raw.decode("latin-1")),
        max_size=8,
    )
)
def test_lines_of_any_shape_are_a_table_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    for ending in (".csv", ".tsv", ".jsonl"):
        rows = answer(lambda ending=ending: read_table(written(folder / f"a{ending}", "\n".join(lines))))
        if rows is not None:
            read_all(rows)


# width and length


def test_ten_thousand_columns_are_read_and_a_missing_one_is_told_in_a_short_sentence(tmp_path: Path) -> None:
    names = [f"column{number}" for number in range(10_000)]
    head = ",".join(names)
    path = written(tmp_path / "a.csv", f"{head}\n{head}\n{head}\n")
    assert read_csv(path).cell(1, "column9999") == "column9999"
    one = Declaration(name="wide", data=str(path), input=Text("colunm77"), output=Category("column1"))
    refused(lambda: open_examples(one), r"did you mean 'column77'\? .* … \(10,000 in all\)")
    refused(lambda: read_csv(written(path, f"{head},column7\n")), r"names a column twice: column0, .*column19 …")


def test_short_lines_below_a_long_header_take_no_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", ",".join(f"c{number}" for number in range(20_000)) + "\n" + "a\n" * 20_000)
    assert grown(lambda: refused(lambda: read_csv(path), "names 20,000 columns, and 500 lines have fewer cells")) < 300


def test_lines_of_json_with_a_key_each_take_no_more_memory_than_their_cells(tmp_path: Path) -> None:
    count = 20_000
    path = written(tmp_path / "a.jsonl", "".join(f'{{"key{number}": {number}, "all": 1}}\n' for number in range(count)))
    start = time.monotonic()
    assert grown(lambda: read_jsonl(path)) < 300
    rows = read_jsonl(path)
    assert [rows.cell(7, name) for name in ("key7", "key8", "all")] == [7, None, 1]
    assert time.monotonic() - start < 20


@fuzz
@given(some.lists(some.dictionaries(some.sampled_from("abcdef"), some.integers(), max_size=3), max_size=30))
def test_rare_columns_hold_what_frequent_ones_would(records: list[dict[str, int]]) -> None:
    found = columns_of(records)
    for name in {name for record in records for name in record}:
        assert list(found[name]) == [record.get(name) for record in records]
        assert found[name][-1] == records[-1].get(name)


@pytest.mark.parametrize(
    "line", ['{"a": ' + "1" * 5000 + "}", "[" * 100_000, '{"a": ' * 100_000, "\0", '{"a": "\\u12"}', "nul"]
)
def test_a_line_that_is_no_json_is_told_in_a_short_sentence(line: str, tmp_path: Path) -> None:
    rows = read_jsonl(written(tmp_path / "a.jsonl", f'{line}\n{{"a": 1}}\n'))
    refused(lambda: rows.cell(0, "a"), "This line is no JSON object: .{,250}$")


@pytest.mark.parametrize("depth", [100, 400, 900, 990])
def test_nested_values_are_no_text_and_no_split(depth: int, tmp_path: Path) -> None:
    deep = "[" * depth + "]" * depth
    path = written(tmp_path / "a.jsonl", f'{{"t": {deep}, "l": "x"}}\n' * 3)
    one = Declaration(name="deep", data=str(path), input=Text("t"), output=Category("l"), id="t")
    for examples in (answer(lambda: open_examples(one)) or {}).values():
        refused(lambda found=examples: found[0], r"a\.jsonl, line \d: column 't': The cell holds list, not text")
    answer(
        lambda: open_examples(
            Declaration(name="deep", data=str(path), input=Text("l"), output=Category("l"), split="t")
        )
    )


# Parquet


def test_a_text_repeated_in_a_few_kilobytes_is_not_unpacked_without_end(tmp_path: Path) -> None:
    words = arrow.DictionaryArray.from_arrays(arrow.array(np.zeros(20_000, dtype=np.int32)), ["x" * 100_000])
    path = written(tmp_path / "a.parquet", table({"text": words}, rows=10**6, store_schema=False))
    assert path.stat().st_size < 10_000
    rows = Parquet(path)
    message = "more than 1024 MiB of column 'text' are in one row group: write the file anew with smaller ones"
    assert grown(lambda: refused(lambda: rows.cell(0, "text"), message)) < 1300


def test_millions_of_rows_in_a_few_kilobytes_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", table({"a": arrow.nulls(10**7, arrow.string())}, rows=10**7))
    refused(lambda: Parquet(path), r"no Parquet file \(10,000,000 rows are too many for a file of this size\)")


def test_a_large_row_group_is_read_in_steps_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {number}" * (number % 9) for number in range(3000)]
    path = written(tmp_path / "a.parquet", table({"text": texts, "pair": [{"a": text} for text in texts]}, rows=2000))
    monkeypatch.setattr("multimodel.sources.tables.LARGEST_GROUP", 2**21)
    rows = Parquet(path)
    assert [rows.cell(row, "text") for row in range(3000)] == texts
    assert [rows.cell(row, "pair.a") for row in range(0, 3000, 99)] == texts[::99]


NESTED = {
    "map": arrow.array([[("a", 1)]], arrow.map_(arrow.string(), arrow.int32())),
    "list": arrow.array([[["a"]]]),
    "decimal": arrow.array([1], arrow.decimal128(5, 2)),
    "far": arrow.array([2**62], arrow.timestamp("us")),
    "fine": arrow.array([1], arrow.timestamp("ns")),
    "span": arrow.array([1], arrow.duration("ns")),
    "bytes": arrow.array([b"\xff\0"]),
    "huge": arrow.array([2**64 - 1], arrow.uint64()),
    "half": arrow.array([np.float16("nan")]),
    "nothing": arrow.nulls(1),
    "struct": arrow.array([{"bytes": None, "path": "none.png"}]),
    "sound": arrow.array([{"array": [0.0, None], "sampling_rate": 8000}]),
    "a\nb": arrow.array(["a"]),
}


@pytest.mark.parametrize("name", NESTED)
def test_cells_of_any_type_are_used_or_refused(name: str, tmp_path: Path) -> None:
    rows = Parquet(written(tmp_path / "a.parquet", table({name: NESTED[name]})))
    usable = read_all(rows)
    assert (usable > 0) == (name in ("bytes", "huge", "a\nb", "struct", "sound")), usable


@pytest.mark.parametrize("part", [0, 4, 8, 100, 0.5, 0.99])
def test_a_parquet_file_cut_off_is_refused(part: float, tmp_path: Path) -> None:
    whole = SEEDS[".parquet"][0]
    cut = whole[: int(part * len(whole)) if isinstance(part, float) else part]
    refused(lambda: read_table(written(tmp_path / "a.parquet", cut)), r"a\.parquet is damaged or no Parquet file")
