"""`multimodel doctor`: every warning from facts that call for it, and no crash where the system tells nothing."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from multimodel import cli
from multimodel.doctor import facts as gathered
from multimodel.doctor import system
from multimodel.doctor.advice import RULES, warnings, within
from multimodel.doctor.facts import Facts, gather
from multimodel.doctor.system import Ticks, stolen_share
from multimodel.errors import InputError
from multimodel.folders import MINI8_INDEX

GOOD = Facts(
    processor="Some Processor",
    architecture="x86_64",
    cores=8,
    usable=4,
    memory=16 * 10**9,
    memory_free=8 * 10**9,
    cache=Path("/cache"),
    disk_free=50 * 10**9,
    accelerators=(),
    python="3.11.7",
    versions={"multimodel": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "numba": "0.68.1", "spacy": None},
    torch_supported="<2.14,>=2.10",
    torch_for="",
    threads=4,
    omp=None,
    avx2=True,
    avx512=False,
    bfloat16=False,
    kernels=Path("/kernels"),
    mini8=Path("/cache/mini8"),
    mini8_examples=None,
    apt=True,
    load=0.5,
    stolen=0.05,
)
CONDITIONS = {
    "little memory": (replace(GOOD, memory_free=39 * 10**8), "Only 3.9 GB of memory are free"),
    "little disk": (replace(GOOD, disk_free=10**9), "Only 1.0 GB of disk are free at /cache"),
    "many threads": (replace(GOOD, threads=8), "torch runs 8 threads, and this process may use 4 cores"),
    "no AVX2": (replace(GOOD, avx2=False), "This processor has no AVX2"),
    "load": (replace(GOOD, load=4.5), "4.5 processes ran on average in the last minute on 4 cores: another program"),
    "stolen time": (replace(GOOD, stolen=0.112), "loses 11% of its processor time"),
    "no GPU": (replace(GOOD, torch_for="CUDA"), "torch was built for CUDA and finds no GPU"),
    "old torch": (replace(GOOD, versions={**GOOD.versions, "torch": "2.9.1"}), "pip install 'torch<2.14,>=2.10'"),
    "no numba": (replace(GOOD, versions={**GOOD.versions, "numba": None}), "pip install numba"),
    "no place for kernels": (replace(GOOD, kernels=None), "set NUMBA_CACHE_DIR"),
    "no data and no apt": (replace(GOOD, apt=False), "mini8 is not built and there is no apt-get"),
}
UNKNOWN = replace(
    GOOD,
    cores=None,
    usable=None,
    memory=None,
    memory_free=None,
    disk_free=None,
    avx2=None,
    avx512=None,
    torch_supported="",
    load=None,
    stolen=None,
)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_condition_gets_one_sentence_that_says_what_to_do(condition: str) -> None:
    facts, words = CONDITIONS[condition]
    (sentence,) = warnings(facts)
    assert words in sentence
    assert ":" in sentence
    assert sentence.endswith(".")


def test_every_rule_has_a_condition_here() -> None:
    assert all(any(rule(facts) for facts, _ in CONDITIONS.values()) for rule in RULES)


@pytest.mark.parametrize(
    "facts",
    [
        GOOD,
        UNKNOWN,
        replace(GOOD, architecture="arm64", avx2=False),
        replace(GOOD, torch_for="CUDA", accelerators=("H100",)),
        replace(GOOD, apt=False, mini8_examples=100),
    ],
)
def test_nothing_is_said_where_nothing_hurts_or_nothing_is_known(facts: Facts) -> None:
    assert warnings(facts) == []


@pytest.mark.parametrize(
    ("version", "fits"),
    [("2.10.0", True), ("2.13.2+cu128", True), ("2.9.1", False), ("2.14.0", False), ("3.0", False), ("git", True)],
)
def test_versions_are_compared_as_numbers(version: str, fits: bool) -> None:
    assert within(version, "<2.14,>=2.10") is fits
    assert within(version, "")


def test_stolen_time_is_a_share_of_the_time_between() -> None:
    assert stolen_share(Ticks(10, 100), Ticks(20, 300)) == 0.05
    assert stolen_share(None, Ticks(20, 300)) is None
    assert stolen_share(Ticks(10, 100), Ticks(10, 100)) is None


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /proc, and no container."""
    monkeypatch.setattr(system, "PROC", tmp_path)
    monkeypatch.setattr(system, "LIMITS", tmp_path / "limits")
    return tmp_path


def test_what_linux_tells_is_read(proc: Path) -> None:
    (proc / "stat").write_text("cpu  10 0 5 100 1 0 2 30 7 0\ncpu0 10 0 5 100 1 0 2 30 7 0\n")
    (proc / "meminfo").write_text("MemTotal:  2000 kB\nMemFree:  100 kB\nMemAvailable:  1000 kB\nHugePages: 0\n")
    (proc / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some: Processor\nflags\t:\n\n")
    assert system.ticks() == Ticks(30, 148)
    assert system.memory() == (2_048_000, 1_024_000)
    assert system.processor() == "Some: Processor"


def test_a_container_has_what_it_was_given(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    (proc / "meminfo").write_text("MemTotal:  2000 kB\nMemAvailable:  1000 kB\n")
    limits = proc / "limits"
    limits.mkdir()
    assert system.usable_cores() == 16
    for name, content in (("cpu.max", "250000 100000\n"), ("memory.max", "1000000\n"), ("memory.current", "900000\n")):
        (limits / name).write_text(content)
    assert system.usable_cores() == 2
    assert system.memory() == (1_000_000, 100_000)
    for name in ("cpu.max", "memory.max"):
        (limits / name).write_text("max 100000\n" if name == "cpu.max" else "max\n")
    assert system.usable_cores() == 16
    assert system.memory() == (2_048_000, 1_024_000)


def test_kernels_are_kept_where_numba_may_write_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, own, cache = tmp_path / "layers", tmp_path / "own", tmp_path / "cache"
    shut: set[Path] = set()
    monkeypatch.setattr(system, "nearest_existing", lambda folder: folder)
    monkeypatch.setattr(os, "access", lambda folder, _: folder not in shut)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    settings = {"NUMBA_CACHE_DIR": str(own), "XDG_CACHE_HOME": str(cache)}
    for place in (own, beside / "__pycache__", cache / "numba"):
        assert system.kernels_folder(beside, settings) == place
        shut.add(place)
    assert system.kernels_folder(beside, settings) is None


def test_a_folder_that_is_to_be_made_is_judged_by_the_one_above(tmp_path: Path) -> None:
    assert system.nearest_existing(tmp_path / "not" / "yet") == tmp_path
    assert system.free_disk(tmp_path / "not" / "yet") is not None


def test_a_machine_that_tells_nothing_is_unknown_and_no_crash(
    proc: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent() -> tuple[float, float, float]:
        raise OSError

    monkeypatch.setenv("XDG_CACHE_HOME", str(proc))
    monkeypatch.setattr(os, "getloadavg", silent)
    monkeypatch.setattr(gathered, "SECONDS", 0.0)
    assert cli.main(["doctor"]) == 0
    shown = {line[:18].strip(): line[18:] for line in capsys.readouterr().out.splitlines()}
    assert shown["memory"] == "unknown, unknown free"
    assert shown["load"] == shown["stolen time"] == "unknown"
    assert shown["mini8"] == "not built: multimodel data build mini8"
    assert shown["torch threads"].startswith("1; OMP_NUM_THREADS is ")


def test_mini8_is_found_where_it_was_built(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(proc))
    monkeypatch.setattr(gathered, "SECONDS", 0.0)
    index = proc / "multimodel" / "mini8" / MINI8_INDEX
    index.parent.mkdir(parents=True)
    index.write_text('{"tasks": {"speech": {"train": 20, "dev": 3}, "parse": {"train": 7}}}')
    assert gather().mini8_examples == 30
    index.write_text("{")
    assert gather().mini8_examples is None


def test_an_optional_package_that_is_missing_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("multimodel.commands.doctor.gather", lambda: GOOD)
    assert cli.main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "not installed: pip install 'multimodel[mini8]'" in shown
    assert shown.endswith("\n\nNothing here will hurt.\n")


def test_a_torch_that_cannot_be_imported_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="torch cannot be imported"):
        gather()
