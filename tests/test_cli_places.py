"""Files and folders that cannot be read or written: told in one sentence, and before any work where they are known."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import multimodel
from multimodel import cli
from multimodel.errors import InputError


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one sentence of a command that ends with exit code 2."""
    assert cli.main(list(words)) == 2
    written = capsys.readouterr()
    (sentence,) = written.err.splitlines()
    assert written.out == ""
    return sentence


@pytest.fixture(autouse=True)
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is there to be read, and whoever tries fails with another sentence."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("resume", [[], ["--resume"], ["--start-or-resume"], ["--add", "task.yaml"]])
def test_a_run_is_not_begun_where_a_file_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], resume: list[str]
) -> None:
    (tmp_path / "file").touch()
    for out in ("file", "file/run"):
        said = refused(capsys, "train", "tiny", "--out", str(tmp_path / out), *resume)
        assert said == f"{tmp_path / 'file'} is a file: give a folder to write to."


@pytest.mark.parametrize(
    "words",
    [
        ["train", "tiny", "--out", "RUN"],
        ["evaluate", "RUN"],
        ["export", "RUN", "--tasks", "en-de", "--out", "RUN/part"],
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # for root, too
    said = refused(capsys, *(word.replace("RUN", str(tmp_path)) for word in words))
    assert said == f"Nothing can be written to the folder {tmp_path}: give another one."


def test_python_refuses_such_places_as_well(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for call in (multimodel.train, lambda tasks, out: multimodel.add("none", tasks, out)):
        with pytest.raises(InputError, match="is a file"):
            call(["en-de"], tmp_path / "file")


def fails(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("multimodel.data.mini8.build", fail)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "some/file"), "some/file: Permission denied."),
        (OSError(errno.EIO, "Input/output error", Path("other")), "other: Input/output error."),
        (OSError(errno.ENOSPC, "No space left on device", "third"), "No space left on device: make room on the disk"),
    ],
)
def test_what_the_system_says_of_a_file_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: OSError, sentence: str
) -> None:
    fails(monkeypatch, error)
    assert refused(capsys, "data", "build", "mini8").startswith(sentence)


def test_what_the_system_says_of_no_file_is_a_mistake_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, OSError(errno.EBADF, "Bad file descriptor"))
    with pytest.raises(OSError, match="Bad file"):
        cli.main(["data", "build", "mini8"])
