"""Every example and every block of the guides runs as it stands, on toy data and with the smallest preset."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from runs import write_mini8

from multimodel import cli
from multimodel.report import write_report
from multimodel.tasks.examples import open_examples

ROOT = Path(__file__).parent.parent
TASKS, MODALITY = (ROOT / "docs" / name for name in ("add-a-task.md", "add-a-modality.md"))
SMALL = (("quickstart", "tiny"), (r"--minutes \d+", "--steps 2"), (r"minutes=\d+", "steps=2"))


def blocks(guide: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", guide.read_text(encoding="utf-8"), re.M | re.S)


def small(text: str) -> str:
    """The same with the smallest preset and two steps, and `runs/quickstart` where the first run is."""
    for pattern, instead in SMALL:
        text = re.sub(pattern, instead, text)
    return text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a cache in which mini8 is built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_mini8(tmp_path / "cache" / "multimodel" / "mini8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_example(name: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *words])
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")


def shell(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of a guide; data is built already."""
    program, *words = shlex.split(line)
    if program == "python":
        run_example(Path(words[0]).name, *words[1:], monkeypatch=monkeypatch)
    elif words[:2] != ["data", "build"]:
        assert cli.main(words) == 0, line


def enlarge(own: Path) -> None:
    """Toy sentences are few: a split by hash needs more to have some in each part."""
    for name, head in (("languages.csv", 1), ("talk.de", 0), ("talk.fr", 0)):
        lines = (own / name).read_text(encoding="utf-8").splitlines()
        body = [_numbered(name, number, line) for number in range(8) for line in lines[head:]]
        (own / name).write_text("\n".join([*lines[:head], *body]) + "\n", encoding="utf-8")
    for path in list((own / "clothes").glob("*/*.png")):
        for number in range(3):
            path.with_name(f"{path.stem}-{number}.png").write_bytes(path.read_bytes())


def _numbered(name: str, number: int, line: str) -> str:
    return f"{number} {line}" if number else line


def test_the_guide_to_tasks_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TASKS.read_text(encoding="utf-8")
    first, *rest = blocks(TASKS, "shell")
    for line in first.splitlines():
        shell(line, monkeypatch)
    enlarge(here / "own")
    names = re.findall(r"`own/([\w-]+\.yaml)`:$", text, re.M)
    declared = blocks(TASKS, "yaml")
    assert len(names) == len(declared) == 3
    for name, content in zip(names, declared, strict=True):
        assert len(content.splitlines()) <= 10
        (here / "own" / name).write_text(content)
    assert cli.main(["train", "tiny", "--out", "runs/tiny", "--steps", "1", "--tasks", "en-de,imageclass"]) == 0
    for block in rest:
        for line in block.splitlines():
            shell(small(line), monkeypatch)


def test_the_guides_python_runs_in_twenty_lines_or_less_and_has_held_out_examples(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_example("own_data.py", "own", monkeypatch=monkeypatch)
    enlarge(here / "own")
    (block,) = blocks(TASKS, "python")
    assert len(block.splitlines()) <= 20
    names: dict[str, Any] = {}
    exec(compile(small(block), "add-a-task.md", "exec"), names)
    assert capsys.readouterr().out.strip() in ("English", "German", "French")
    assert open_examples(names["task"]).keys() == {"train", "dev", "test"}


def test_the_guide_to_modalities_shows_what_the_example_does() -> None:
    code = (ROOT / "examples" / "series.py").read_text(encoding="utf-8")
    shown = blocks(MODALITY, "python")
    assert len(shown) == 3
    for block in shown:
        assert block in code


def test_a_kind_of_data_from_outside_the_package_is_trained(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_example("series.py", "runs/series", "--preset", "tiny", "--steps", "2", monkeypatch=monkeypatch)
    assert "right: " in capsys.readouterr().out
    kinds = runpy.run_path(str(ROOT / "examples" / "series.py"))["KINDS"]
    assert "<svg" in write_report(Path("runs/series"), kinds=kinds).read_text(encoding="utf-8")


def test_padding_a_series_changes_nothing() -> None:
    example = SimpleNamespace(**runpy.run_path(str(ROOT / "examples" / "series.py")))
    series, net = example.Series("rows"), example.SeriesNet(8)
    arrays: list[Any] = [series.encode([1, 5, 2]), series.encode([4, 1, 2, 3, 9])]
    alone, together = (net.bottom(*series.collate(some)) for some in (arrays[:1], arrays))
    torch.testing.assert_close(together.x[0, :3], alone.x[0])
    assert (together.x[0, 3:] == 0).all()
