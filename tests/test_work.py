"""How much work a step is, counted in operators and arithmetic: it depends on no clock, so noise cannot fail it.

A limit is what was counted when it was set, and a little room. Where a change needs less, lower it.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from multimodel.batch import Batch
from multimodel.benchmark.floors import product_operations
from multimodel.benchmark.models import text_batch, text_model
from multimodel.decoding import reorder
from multimodel.layers.paths import FEWEST, plain_paths, threads_for_steps
from multimodel.loss import smoothed_cross_entropy
from multimodel.model import MultiModel
from multimodel.parameters import active_parameters
from multimodel.presets import PRESETS

QUICKSTART = PRESETS["quickstart"]
CPU = torch.device("cpu")


class Operators(TorchDispatchMode):
    """Counts the operators that reach the device; views cost nothing and are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def model() -> MultiModel:
    torch.manual_seed(0)
    return text_model(QUICKSTART)


def train(model: MultiModel, batch: Batch) -> None:
    output = model.train()(batch)
    (smoothed_cross_entropy(output.logits, batch.targets, 0.1).sum() + output.balance).backward()


def batch(examples: int) -> Batch:
    torch.manual_seed(1)
    return text_batch(QUICKSTART, examples, 24, CPU)


def test_a_training_step_takes_so_many_operators(model: MultiModel) -> None:
    with Operators() as fast:
        train(model, batch(8))
    with plain_paths(), Operators() as plain:
        train(model, batch(8))
    assert fast.count <= 930
    assert plain.count <= 1970


def test_a_training_step_multiplies_no_more_than_it_has_to(model: MultiModel) -> None:
    per_symbol = product_operations(lambda: train(model, batch(8))) / (8 * 24)
    used = active_parameters(model, QUICKSTART.model.experts_used)
    assert per_symbol <= 5.9 * used  # 6 for each that multiplies: forward 2, backward 4


@torch.no_grad()
def operators(model: MultiModel, position: int) -> int:
    """Of the symbol at this position, without those of the search."""
    one = batch(1)
    model.eval()
    memory = model.start(model.encode(one), 300)
    model.step(one.route, one.targets[:, :1], memory, position)  # the first may prepare something
    with Operators() as counted:
        model.step(one.route, one.targets[:, :1], memory, position)
    return counted.count


def test_a_symbol_takes_so_many_operators_wherever_it_stands(model: MultiModel) -> None:
    assert operators(model, 1) == operators(model, 290) <= 7
    with plain_paths():
        assert operators(model, 1) == operators(model, 290) <= 404


@torch.no_grad()
def test_beams_leave_the_keys_and_values_of_the_source_alone(model: MultiModel) -> None:
    one = batch(2)
    with plain_paths():
        memory = model.start(model.eval().encode(one), 8).body
    moved = reorder(memory, torch.tensor([1, 0]), within=True)
    for before, after in zip(memory.decoder.layers, moved.decoder.layers, strict=True):
        assert after[1].source is before[1].source
        assert after[1].target is not before[1].target


@torch.no_grad()
def test_beams_of_compiled_steps_move_four_bytes_for_each_position_and_no_memory(model: MultiModel) -> None:
    pytest.importorskip("numba")
    memory = model.start(model.eval().encode(batch(2)), 300)
    moved = reorder(memory, torch.tensor([1, 0]), within=True)
    assert moved.body.body is memory.body.body
    assert moved.body.rows.nbytes + moved.body.origins.nbytes == 2 * 4 * (300 + 1)


@torch.no_grad()
def test_compiled_steps_of_few_hypotheses_run_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    chosen: list[int] = []
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)
    monkeypatch.setattr("torch.set_num_threads", chosen.append)
    for hypotheses in (FEWEST, FEWEST + 1):
        with threads_for_steps(torch.zeros(hypotheses)):
            pass
    with plain_paths(), threads_for_steps(torch.zeros(1)):
        pass
    assert chosen == [1, 7], "more hypotheses, and plain steps, leave the number alone"
