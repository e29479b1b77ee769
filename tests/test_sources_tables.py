"""Tables as rows: CSV, TSV, JSONL, Parquet."""

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as some
from source_files import column, table, whole, written

from multimodel.errors import InputError
from multimodel.sources.rows import check_column
from multimodel.sources.tables import Parquet, read_csv, read_jsonl, read_table, read_tsv
from multimodel.tasks.columns import Text


def test_quoted_commas_and_line_breaks_belong_to_a_cell_and_later_lines_keep_their_numbers(tmp_path: Path) -> None:
    rows = read_csv(written(tmp_path / "a.csv", 'text,label\n"one, two\nthree ""four""",x\n\n\nfive,y\n'))
    assert column(rows, "text") == ['one, two\nthree "four"', "five"]
    assert column(rows, "label") == ["x", "y"]
    assert [rows.where(row) for row in range(2)] == [f"{tmp_path}/a.csv, line 2", f"{tmp_path}/a.csv, line 6"]
    assert rows.file(0, "b.png") == tmp_path / "b.png"


@pytest.mark.parametrize("content", ["\ufefftext,label\r\none,x\r\n\r\ntwo,y", "text,label\n\none,x\ntwo,y\n\n\n"])
def test_byte_order_marks_line_ends_and_empty_lines_change_nothing(tmp_path: Path, content: str) -> None:
    rows = read_csv(written(tmp_path / "a.csv", content))
    assert rows.columns == ("text", "label")
    assert column(rows, "text") == ["one", "two"]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_row_with_too_few_or_too_many_cells_is_damaged_and_the_others_are_not(tmp_path: Path, ending: str) -> None:
    lines = ["text,label", "one,x", "two", "three,y,z", "four,x"]
    content = "\n".join(lines).replace(",", {"csv": ",", "tsv": "\t"}[ending])
    rows = read_table(written(tmp_path / f"a.{ending}", content))
    assert rows.cell(0, "label") == rows.cell(3, "label") == "x"
    for row, count in ((1, 1), (2, 3)):
        with pytest.raises(InputError, match=f"has {count} cells, and the first line names 2 columns"):
            rows.cell(row, "text")
    assert rows.where(2).endswith(f"a.{ending}, line 4")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_bytes_that_are_not_utf8_damage_their_row_alone(tmp_path: Path, ending: str) -> None:
    good, bad = ('{"text": "gut"}', '{"text": "schön"}') if ending == "jsonl" else ("gut", "schön")
    head = "" if ending == "jsonl" else "text\n"
    rows = read_table(written(tmp_path / f"a.{ending}", f"{head}{good}\n{bad}\n{good}\n".encode("latin-1")))
    assert rows.cell(0, "text") == rows.cell(2, "text") == "gut"
    with pytest.raises(InputError, match="not valid Unicode" if ending == "jsonl" else "not UTF-8"):
        Text("text").raw(rows.cell(1, "text"), tmp_path.joinpath)


def test_nul_bytes_and_cells_of_a_megabyte_are_read_as_they_are(tmp_path: Path) -> None:
    long = "a\0b" * 350_000
    rows = read_csv(written(tmp_path / "a.csv", f"text,label\n{long},x\n"))
    assert rows.cell(0, "text") == long


def test_a_quotation_mark_that_is_never_closed_is_named_and_does_not_swallow_the_rest(tmp_path: Path) -> None:
    lines = ["text,label", "one,x", 'two,"y', *["more,x"] * 50]
    with pytest.raises(InputError, match=r"a\.csv, line 3: a quotation mark opens a cell here"):
        read_csv(written(tmp_path / "a.csv", "\n".join(lines)))
    assert len(read_csv(written(tmp_path / "a.csv", 'text,label\n"one","x"'))) == 1


def test_in_tsv_a_quotation_mark_is_a_letter_and_so_is_a_lone_carriage_return(tmp_path: Path) -> None:
    rows = read_tsv(written(tmp_path / "a.tsv", 'text\tlabel\r\n"one\tx\r\n5" \rdisk\ty\r\n'))
    assert column(rows, "text") == ['"one', '5" \rdisk']
    assert column(rows, "label") == ["x", "y"]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_table_may_have_no_rows_but_not_no_header(tmp_path: Path, ending: str) -> None:
    assert len(read_table(written(tmp_path / f"a.{ending}", "text\n"))) == 0
    for content in ("", "\n\r\n"):
        with pytest.raises(InputError, match="is empty: its first line must name the columns"):
            read_table(written(tmp_path / f"a.{ending}", content))
    with pytest.raises(InputError, match="names a column twice: a, b, a"):
        read_table(written(tmp_path / f"a.{ending}", {"csv": "a,b,a", "tsv": "a\tb\ta"}[ending]))
    with pytest.raises(InputError, match="is not UTF-8: write it anew"):
        read_table(written(tmp_path / f"a.{ending}", "text,label\none,x".encode("utf-16")))


def test_broken_lines_of_jsonl_are_damaged_and_missing_keys_are_empty(tmp_path: Path) -> None:
    lines = ['{"text": "a", "n": NaN}', "{broken", "", "[1]", '{"label": {"deep": [1]}}', "[" * 100_000, "7", "{}"]
    rows = read_jsonl(written(tmp_path / "a.jsonl", "\r\n".join(lines)))
    assert rows.columns == ("text", "n", "label")
    assert len(rows) == 7
    assert np.isnan(rows.cell(0, "n"))
    assert [rows.cell(3, "text"), rows.cell(3, "label"), rows.cell(6, "text")] == [None, {"deep": [1]}, None]
    for row, line in ((1, 2), (2, 4), (4, 6), (5, 7)):
        assert rows.where(row).endswith(f", line {line}")
        with pytest.raises(InputError, match="no JSON object"):
            rows.cell(row, "text")


@pytest.mark.parametrize(("content", "why"), [("", "It is empty"), ('[{"text": "a"}]\n', "no object in braces")])
def test_a_file_without_any_object_is_no_jsonl(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(InputError, match=f"must hold JSON objects, one a line.*{why}"):
        read_jsonl(written(tmp_path / "a.jsonl", content))


def test_cells_of_parquet_come_back_in_any_order_across_row_groups(tmp_path: Path) -> None:
    texts = [None if number % 7 == 3 else f"text {number}" for number in range(45)]
    lists = [[number, {"a": str(number)}["a"]][:1] for number in range(45)]
    rows = Parquet(table(tmp_path / "a.parquet", {"text": texts, "list": lists}))
    assert rows._metadata.num_row_groups == 5
    order = random.Random(3).choices(range(45), k=200)
    assert [rows.cell(row, "text") for row in order] == [texts[row] for row in order]
    assert [rows.cell(row, "list") for row in order] == [lists[row] for row in order]
    assert rows.where(31) == f"{tmp_path}/a.parquet, row 31"


def test_fields_of_structures_are_columns_too_and_a_column_with_a_dot_is_itself(tmp_path: Path) -> None:
    pairs = [{"en": "dog", "more": {"de": "Hund"}}, {"en": "cat", "more": None}, None]
    rows = Parquet(table(tmp_path / "a.parquet", {"p.en": ["x", "y", "z"], "p": pairs, "n": [1, 2, 3]}, 2))
    assert rows.columns == ("p.en", "p", "n", "p.more", "p.more.de")
    assert column(rows, "p") == pairs
    assert column(rows, "p.en") == ["x", "y", "z"]
    assert column(rows, "p.more.de") == ["Hund", None, None]


def test_labels_are_read_without_the_pictures_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Parquet(table(tmp_path / "a.parquet", {"image": [b"x" * 1000] * 30, "label": list(range(30))}))
    asked, read = [], parquet.ParquetFile.read_row_group

    def read_row_group(file: parquet.ParquetFile, group: int, names: list[str]) -> arrow.Table:
        asked.append(names)
        return read(file, group, names)

    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", read_row_group)
    assert column(rows, "label") == list(range(30))
    assert asked == [["label"]] * 3


def test_text_in_parquet_that_is_not_utf8_damages_its_row(tmp_path: Path) -> None:
    texts = arrow.array([b"good", b"sch\xf6n", b"fine"]).view(arrow.string())
    rows = Parquet(table(tmp_path / "a.parquet", {"text": texts}))
    assert [rows.cell(0, "text"), rows.cell(2, "text")] == ["good", "fine"]
    with pytest.raises(InputError, match="damaged"):
        rows.cell(1, "text")


@given(place=some.integers(0, 10**6), bits=some.integers(1, 255), cut=some.booleans())
def test_a_damaged_parquet_file_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, **damage: int) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    content = bytearray(table(folder / "a.parquet", {"text": [f"text {n}" for n in range(20)]}).read_bytes())
    place = damage["place"] % len(content)
    content[place] ^= damage["bits"]
    path = written(folder / "b.parquet", bytes(content[:place] if damage["cut"] else content))
    with suppress(InputError):
        rows = read_table(path)
        for name in rows.columns:
            column(rows, name)


def test_other_endings_missing_files_and_unknown_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ending that is not read: give one of \.csv, \.tsv"):
        whole(str(written(tmp_path / "a.xlsx", "x")), tmp_path)
    for name in ("b.csv", "no/b.csv", "n\0ul.csv"):
        with pytest.raises(InputError, match=r"\.csv does not exist"):
            whole(name, tmp_path)
    rows = read_csv(written(tmp_path / "A.CSV", "review,stars\ngood,5\n"))
    with pytest.raises(InputError, match=r"The file has no column 'reviews': did you mean 'review'\? If not, choose"):
        check_column(rows, "reviews", "The file")
