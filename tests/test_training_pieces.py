"""Memory that is short: batches in pieces, which have the gradients of the whole."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from runs import CPU, SIZES, found_in, toy_config, toy_trainer, weights
from spoiled import TASKS, short_of_memory, spoil

from multimodel import cli
from multimodel.errors import InputError
from multimodel.training import checkpoint
from multimodel.training.incidents import incidents
from multimodel.training.train import train


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError("Unable to allocate 1.00 TiB for an array"),
    ],
)
def test_where_memory_is_short_a_batch_is_worked_through_in_pieces(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plain = replace(SIZES, dropout=0.0, mixture="dense")
    whole, cut = (toy_trainer(toy_config(("en-de",), plain, batch_examples=8)) for _ in range(2))
    expected = [whole.step() for _ in range(3)]
    short_of_memory(monkeypatch, 3, error)
    found = [cut.step() for _ in range(3)]
    assert cut.state.pieces == {"en-de": 4}
    assert [report.loss for report in found] == pytest.approx([report.loss for report in expected], rel=1e-4)
    assert [report.drawn for report in found] == [report.drawn for report in expected]
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(cut)[name], value, atol=1e-3, rtol=1e-3, msg=name)


def test_where_not_even_one_example_fits_it_is_said_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    short_of_memory(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(InputError, match="Memory is short in a batch of task en-de: lower --batch-cost 512"):
        trainer.step()


def test_other_errors_are_not_taken_for_short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    short_of_memory(monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="multiplied"):
        trainer.step()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_where_memory_is_short_outside_of_steps_a_command_ends_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    train(found_in(toy_config(("en-de",), steps=1), tmp_path / "mini8"), tmp_path / "run", device=CPU)
    short_of_memory(monkeypatch, 0, error)
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("Memory is short: ")
    short_of_memory(monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="multiplied"):
        cli.main(["evaluate", str(tmp_path / "run")])


def test_a_step_that_fails_after_memory_was_short_is_blamed_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, 5)
    short_of_memory(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory."))
    train(toy_config(TASKS, steps=12, held_out=0), tmp_path, device=CPU)
    assert {one.kind for one in incidents(tmp_path)} == {"memory", "skipped"}


def test_a_run_goes_on_where_memory_is_too_short_to_find_out_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, 5)

    def blame(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("multimodel.training.watch.blame", blame)
    place = train(toy_config(TASKS, steps=12, held_out=0), tmp_path, device=CPU)
    found = incidents(tmp_path)
    assert found
    assert all(one.what.endswith("its loss is nan; memory is too short to find out why") for one in found)
    assert checkpoint.load_state(place).step == 12
