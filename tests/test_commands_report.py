"""The commands on a report's page: a training command only where it would make such a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reported import write_run

from multimodel.report.command_lines import command_lines
from multimodel.report.record import Record, read_record
from multimodel.training.run_config import RunConfig

TWO = ("parse", "en-de")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Of two of mini8's tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        folder: Path = tmp_path_factory.mktemp("runs") / "two"
        write_run(folder, TWO)
        return read_record(folder)


def of_their_own(config: RunConfig) -> RunConfig:
    tasks = tuple(replace(task, origin=replace(task.origin, data="own.csv", hint="")) for task in config.tasks)
    return replace(config, tasks=tasks)


def halved(config: RunConfig) -> RunConfig:
    return replace(config, tasks=(config.tasks[0], replace(config.tasks[1], rate=0.5)))


def test_a_run_on_mini8_is_made_by_one_command(record: Record) -> None:
    train, evaluate, report = command_lines(record)
    assert train.startswith("multimodel train tiny --tasks parse en-de ")
    assert evaluate.startswith("multimodel evaluate two")
    assert report == "multimodel report two"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: replace(config, preset="own"), "with a preset given in Python"),
        (of_their_own, "on data of its own (parse, en-de)"),
        (lambda config: replace(config, frozen=("encoder",)), "going on from another run"),
        (lambda config: replace(config, resting=("parse",)), "going on from another run"),
        (halved, "going on from another run"),
        (lambda config: of_their_own(replace(config, preset="own")), "given in Python, on data of its own"),
    ],
)
def test_how_another_run_was_made_is_a_sentence(
    record: Record, change: Callable[[RunConfig], RunConfig], words: str
) -> None:
    first, evaluate, _ = command_lines(replace(record, config=change(record.config)))
    assert first.startswith("# This run was trained ")
    assert words in first
    assert first.endswith(".")
    assert evaluate.startswith("multimodel evaluate two")


@pytest.mark.parametrize("kept", [slice(3, None), slice(0)])
def test_a_part_of_a_run_has_no_first_step_and_no_command(record: Record, kept: slice) -> None:
    assert "going on from another run" in command_lines(replace(record, steps=record.steps[kept]))[0]
