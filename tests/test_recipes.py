"""The recipes: every file is a task, and the paper's eight are trained on small files in the true layouts."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from toy import TONES, sentence, tone, translated, tree, wav

import multimodel
from multimodel import cli
from multimodel.sources.corpora import CORPORA
from multimodel.tasks.declaration import read_declaration
from multimodel.tasks.mini8 import NAMES

ROOT = Path(__file__).parent.parent / "recipes"
FILES = sorted(ROOT.glob("*/*.yaml"))
COUNT = 4
TEXTS = [sentence(noun, "sees", "fox") for noun in ("dog", "bird", "bear", "fox")]


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def jpeg(number: int) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (40, 30), (40 * number, 90, 10)).save(file, format="JPEG")
    return file.getvalue()


def write_wsj(folder: Path) -> None:
    for name in ("train_si284", "test_dev93", "test_eval92"):
        sounds = {f"{name}-{number}": list(TONES)[number] for number in range(COUNT)}
        for utterance, word in sounds.items():
            write(folder / "wav" / f"{utterance}.wav", wav(np.asarray(tone(TONES[word], 0.3))))
        write(folder / name / "wav.scp", "".join(f"{key} ../wav/{key}.wav\n" for key in sounds))
        write(folder / name / "text", "".join(f"{key} {word}\n" for key, word in sounds.items()))


def write_imagenet(folder: Path) -> None:
    for split in ("train", "val"):
        for number in range(COUNT):
            write(folder / split / f"n0000000{number % 2}" / f"{number}.JPEG", jpeg(number))


def write_coco(folder: Path) -> None:
    for split in ("train2017", "val2017"):
        images = [{"id": number, "file_name": f"{number:012d}.jpg"} for number in range(COUNT)]
        captions = [
            {"id": 10 * number + copy, "image_id": number, "caption": f"{TEXTS[number]} {copy}"}
            for number in range(COUNT)
            for copy in range(2)
        ]
        content = json.dumps({"images": images, "annotations": captions})
        write(folder / "annotations" / f"captions_{split}.json", content)
        for image in images:
            write(folder / split / image["file_name"], jpeg(image["id"]))


def write_treebank(folder: Path) -> None:
    for section in ("02", "22", "23"):
        trees = "".join(f"( {tree(text)} )\n" for text in TEXTS)
        write(folder / "wsj" / section / f"wsj_{section}01.mrg", trees)


def write_wmt(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        for other in ("de", "fr"):
            for code in ("en", other):
                lines = [text if code == "en" else translated(text, code) for text in TEXTS]
                write(folder / f"{split}.en-{other}.{code}", "\n".join(lines) + "\n")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_file_is_a_task(path: Path) -> None:
    task = read_declaration(path)
    assert task.name == path.stem
    assert task.layout in (None, *CORPORA)
    assert len([line for line in path.read_text().splitlines() if not line.startswith("#")]) <= 10


def test_the_papers_tasks_are_the_eight_with_the_same_commands() -> None:
    recipe = {path.stem: read_declaration(path) for path in FILES if path.parent.name == "paper"}
    assert set(recipe) == set(NAMES)
    from multimodel.tasks.mini8 import outline

    for name, task in recipe.items():
        mini = outline(Path(), name)
        assert (task.task_command, task.task_measure) == (mini.task_command, mini.task_measure)


@pytest.mark.slow
def test_the_paper_is_trained_on_its_corpora_in_their_layouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data"
    write_wsj(data / "wsj")
    write_imagenet(data / "imagenet")
    write_coco(data / "coco")
    write_treebank(data / "treebank")
    write_wmt(data / "wmt")
    for path in FILES:
        if path.parent.name == "paper":
            shutil.copy(path, data)
    tasks = sorted(map(str, data.glob("*.yaml")))
    assert cli.main(["data", "check", *tasks, "--preset", "tiny"]) == 0
    run = tmp_path / "run"
    small = ["--data.vocabulary", "400", "--batch-examples", "2"]
    assert cli.main(["train", "tiny", "--tasks", ",".join(tasks), "--steps", "8", "--out", str(run), *small]) == 0
    assert cli.main(["evaluate", str(run), "--examples", "2", "--decode", "2"]) == 0
    assert multimodel.load(run).predict("imageclass", str(data / "imagenet/val/n00000000/0.JPEG")).startswith("n0000")
    assert {json.loads(line)["task"] for line in (run / "log.jsonl").read_text().splitlines()} == set(NAMES)
