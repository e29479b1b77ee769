"""The paper's corpora, each opened by the name of its layout."""

from pathlib import Path

import pytest
from corpora import CASES, splits, write

from multimodel.errors import InputError
from multimodel.sources.corpora import CORPORA
from multimodel.sources.open import open_data


def test_every_layout_is_a_case() -> None:
    assert CASES.keys() == CORPORA.keys()


@pytest.mark.parametrize("layout", CASES)
def test_a_corpus_is_opened_by_the_name_of_its_layout(tmp_path: Path, layout: str) -> None:
    write(tmp_path, CASES[layout][0])
    found = open_data(".", tmp_path, layout)
    assert {"train", "test"} <= found.keys()
    for rows in found.values():
        for row in range(len(rows)):
            assert all(rows.cell(row, name) is not None for name in rows.columns)
            assert rows.where(row)


@pytest.mark.parametrize("layout", CASES)
def test_the_fingerprint_changes_with_the_files_that_say_what_the_rows_are(tmp_path: Path, layout: str) -> None:
    files, changed, text = CASES[layout]
    write(tmp_path, files)
    before = splits(layout, tmp_path)
    again = splits(layout, tmp_path)
    assert [rows.fingerprint for rows in before.values()] == [rows.fingerprint for rows in again.values()]
    write(tmp_path, {changed: text})
    assert splits(layout, tmp_path)["train"].fingerprint != before["train"].fingerprint


@pytest.mark.parametrize("layout", CASES)
def test_a_folder_that_holds_something_else_is_refused_by_name(tmp_path: Path, layout: str) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="it must hold") as error:
            CORPORA[layout](folder)
        assert str(folder) in str(error.value)
