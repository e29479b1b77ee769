"""`multimodel bench` from its words to its files."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from xml.etree import ElementTree

import pytest
from runs import write_mini8

from multimodel import cli
from multimodel.benchmark.goals import GOALS
from multimodel.benchmark.page import HEAD, MARK
from multimodel.benchmark.results import Case, Part, Row
from multimodel.benchmark.run import INTERRUPTED, PARTS
from multimodel.benchmark.timing import Spread
from multimodel.errors import InputError

THREADS = ["--threads", "1"]


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["bench", *words]) == 2
    return capsys.readouterr().err.strip()


@pytest.fixture(autouse=True)
def quiet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_one_command_measures_every_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("subprocess.run", fresh_process)
    out, page = tmp_path / "out", tmp_path / "docs" / "performance.md"
    folder = str(write_mini8(tmp_path / "mini8"))
    words = ["--quick", "--rounds", "1", "--device", "cpu", "--threads", "2", "--data-folder", folder]
    assert cli.main(["bench", *words, "--out", str(out), "--markdown", str(page)]) == 0
    assert str(page) in capsys.readouterr().out
    content = json.loads((out / "bench.json").read_text(encoding="utf-8"))
    about = content["rates"]["conditions"]
    assert set(about) >= {"command", "data", "seed", "hardware", "threads", "torch", "precision", "rounds"}
    assert about["command"].startswith("multimodel bench --quick")
    assert list(content) == list(PARTS)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(HEAD + MARK)
    assert "## What is to be reached" in text
    for name, part in content.items():
        assert part["rows"] or "extra `bench`" in part["left_out"]
        assert f"## {part['title']}" in text
        ratios = [row["figures"][part["drawn"]] for row in part["rows"] if part["drawn"] in row["figures"]]
        drawn = any(ratio["low"] > 0 for ratio in ratios)
        assert (out / f"{name}.svg").exists() == drawn == (f"(../out/{name}.svg)" in text)
        if drawn:
            ElementTree.parse(out / f"{name}.svg")
    for goal in GOALS:
        part = content[goal.part]
        assert part["left_out"] or any(goal.column in row["figures"] for row in part["rows"])
    for ratio in (
        "plain ÷ float32",
        "× one process",
        "× floor",
        "× pointwise",
        "plain ÷ ours",
        "conv1d ÷ ours",
        "× cost of a symbol",
        "beam 4 ÷ greedy",
    ):
        assert ratio in text


def fresh_process(command: list[str], **options: Any) -> CompletedProcess[str]:
    if command[1] == "-c" or command[3] in {"--help", "predict"}:
        return CompletedProcess(command, 0, "", "")
    if command[3] == "train":
        seconds = 2.0 if "--processes=1" in command else 1.0
        log = Path(command[command.index("--out") + 1]) / "log.jsonl"
        log.parent.mkdir(exist_ok=True)
        log.write_text(8 * (json.dumps({"symbols": 10, "seconds": seconds}) + "\n"), encoding="utf-8")
        return CompletedProcess(command, 0, "", "")
    assert command[1:5] == ["-m", "multimodel.benchmark.memory", command[3], "tiny"]
    return CompletedProcess(command, 0, f"{5 << 20}\n", "")


def test_ctrl_c_keeps_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> list[Row]:
        raise KeyboardInterrupt

    first = Case("first", lambda: [Row("first", {"ratio": Spread(1.0, 2.0, 3.0)})])
    cases = [first, Case("second", interrupted), Case("third", lambda: pytest.fail("measured after Ctrl-C"))]
    part = Part(title="Rates", about="", drawn="ratio", cases=lambda setting: cases)
    monkeypatch.setitem(PARTS, "rates", part)
    assert cli.main(["bench", "--only", "rates", "--out", str(tmp_path), *THREADS]) == 130
    content = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in content["rates"]["rows"]] == ["first"]
    assert content["rates"]["left_out"] == INTERRUPTED
    assert "| first | 2 (1–3) |" in (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert (tmp_path / "rates.svg").exists()


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), InputError("There is none.")])
def test_a_part_that_is_not_measured_to_its_end_leaves_what_was(
    trouble: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row(name, {"ratio": 1.0}) for name in ("first", "second")]
    ending: list[BaseException] = []

    def second() -> list[Row]:
        if ending:
            raise ending[0]
        return rows[1:]

    part = Part(title="Rates", about="", drawn="", cases=lambda _: [Case("1", lambda: rows[:1]), Case("2", second)])
    monkeypatch.setitem(PARTS, "rates", part)
    for _ in range(2):
        cli.main(["bench", "--only", "rates", "--out", str(tmp_path), *THREADS])
        content = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
        assert [row["name"] for row in content["rates"]["rows"]] == ["first", "second"]
        assert content["rates"]["left_out"] == ""
        ending.append(trouble)


def test_words_that_cannot_be_used_are_answered_with_what_can(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert failure(capsys, "--only", "rates,speed") == f"There is no part 'speed': choose from {', '.join(PARTS)}."
    assert failure(capsys, "--preset", "huge").startswith("There is no preset 'huge': choose from tiny, ")
    assert failure(capsys, "--device", "cuda") == "There is no GPU that torch can use here: give --device cpu."
    assert failure(capsys, "--rounds", "0") == "The number of rounds and of threads must be above 0."


def test_what_stands_above_the_mark_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(title="Rates", about="", drawn="", cases=lambda setting: [Case("one", lambda: [Row("one", {"ms": 1})])])
    monkeypatch.setitem(PARTS, "rates", part)
    page = tmp_path / "bench.md"
    page.write_text(f"# Mine\n\n{MARK}old\n", encoding="utf-8")
    assert cli.main(["bench", "--only", "rates", "--out", str(tmp_path), *THREADS]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Mine\n\n{MARK}")
    assert "| one | 1 |" in text
    assert "old" not in text


def test_parts_can_be_measured_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measuring(name: str, ratio: float) -> list[str]:
        rows = [Row(name, {"ratio": Spread(ratio, ratio, ratio), "note": "fine"})]
        part = Part(title=name, about="", drawn="ratio", cases=lambda setting: [Case(name, lambda: rows)])
        monkeypatch.setitem(PARTS, name, part)
        return ["bench", "--only", name, "--out", str(tmp_path), *THREADS]

    for name, ratio in (("decoding", 2.0), ("rates", 3.0), ("decoding", 4.0)):
        assert cli.main(measuring(name, ratio)) == 0
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "| rates | 3 (3–3) | fine |" in text
    assert "| decoding | 4 (4–4) | fine |" in text
    assert text.index("## rates") < text.index("## decoding")
    assert text.count("command: `multimodel bench --only ") == 2
    assert text.count("- torch: ") == 1


def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.json"
    for words in ("not JSON", "[1]", '{"rates": {"rows": []}}'):
        path.write_text(words, encoding="utf-8")
        expected = f"{path} holds no results of a benchmark: move it away, or give another --out."
        assert failure(capsys, "--only", "rates", "--out", str(tmp_path)) == expected
        assert path.read_text(encoding="utf-8") == words
