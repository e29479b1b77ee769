"""What a user may ask a trained model: any text, any path, any file is answered or refused in one sentence."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hostile import TIMEOUT, answer, damaged, fuzz, grown, refused, unchecked
from hypothesis import given
from hypothesis import strategies as some
from runs import toy_config
from toy import png, tone, wav

from multimodel.prediction import MOST_BEAMS, TrainedModel, load
from multimodel.trees import read_tree, separate_marks, words

pytestmark = TIMEOUT
TEXTS, FILES = ["parse", "en-de", "fr-en"], ["speech", "imageclass", "caption"]
LETTERS = some.characters(categories=None) | some.sampled_from("\0\ud800\u202e😀()!. \x85\x1b")


@pytest.fixture(scope="module")
def model() -> Iterator[TrainedModel]:
    """A model that has learned nothing, as quick as possible to ask."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multimodel.decoding.MOST_SYMBOLS", 3)
        torch.manual_seed(1)
        config = toy_config()
        yield TrainedModel(config.build().eval(), {task.name: task for task in config.tasks})


@fuzz
@given(task=some.sampled_from(TEXTS), value=some.text(LETTERS, max_size=30))
def test_any_text_is_answered_or_refused(model: TrainedModel, task: str, value: str) -> None:
    found = answer(lambda: model.predict(task, value))
    assert found is None or isinstance(found, str)
    if found is not None and task == "parse":
        assert words(read_tree(found)) == separate_marks(value).split()


@fuzz
@given(task=some.sampled_from(FILES), value=some.text(LETTERS, max_size=30) | some.just("a" * 5000))
def test_any_path_of_no_file_is_refused(model: TrainedModel, task: str, value: str) -> None:
    if not os.path.lexists(value.replace("\0", "-").encode(errors="replace")):
        assert answer(lambda: model.predict(task, value)) is None


SEEDS = [png(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)), wav(tone(500, 0.1)), b"some words\n"]


@pytest.mark.filterwarnings("ignore")
@fuzz
@given(task=some.sampled_from(FILES), content=damaged(SEEDS))
def test_any_file_is_answered_or_refused(
    model: TrainedModel, tmp_path_factory: pytest.TempPathFactory, task: str, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("file") / "given"
    path.write_bytes(content)
    found = answer(lambda: model.predict(task, str(path)))
    assert found is None or isinstance(found, str)


def test_long_texts_and_long_recordings_are_refused_in_no_time_and_room(model: TrainedModel, tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((48_000 * 300, 2), dtype=np.int16), 48_000, format="FLAC")
    (tmp_path / "long.flac").write_bytes(file.getvalue())
    refused(lambda: model.predict("speech", str(tmp_path / "long.flac")), "lasts more than 31 s and the limit is 2 s")
    for task in TEXTS:
        assert grown(lambda task=task: refused(lambda: model.predict(task, "dog. " * 150_000), "the limit is 40")) < 400
        refused(lambda task=task: model.predict(task, "d" * 2_000_000), "letters and at most 1,000,000 are read")


def test_pipes_devices_and_folders_are_refused_at_once(model: TrainedModel, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/stdin", tmp_path, "/proc/self/mem"):
        for task in FILES:
            refused(lambda task=task, path=path: model.predict(task, str(path)), "cannot be read as an|is empty")


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["a"], {}, 1.5])
def test_what_is_no_text_and_no_path_is_refused(model: TrainedModel, value: object) -> None:
    for task in (*TEXTS, *FILES):
        with unchecked():
            refused(lambda task=task: model.predict(task, value), "give a text, or the path of a file as text")


@pytest.mark.parametrize("beams", [0, -1, MOST_BEAMS + 1, 10**9])
def test_beams_without_end_are_refused(model: TrainedModel, beams: int) -> None:
    refused(
        lambda: model.predict("en-de", "dog", beams=beams), f"at least 1 beam, not .*, and has {MOST_BEAMS} at most"
    )


@pytest.mark.parametrize("name", ["", "\ud800", "a" * 10**6, "\x1b[31m\n", "en-de\0"])
def test_tasks_that_are_none_are_refused(model: TrainedModel, name: str) -> None:
    refused(lambda: model.predict(name, "dog"), "has no task .*: it knows speech, imageclass")


@pytest.mark.parametrize("run", ["", "nu\0l", "a" * 5000, "\ud800", "/dev/null", "/dev/zero"])
def test_folders_of_no_run_are_refused(run: str) -> None:
    refused(lambda: load(run), "is not a folder|holds no checkpoint")
