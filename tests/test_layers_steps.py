"""Compiled steps of the whole body equal the plain ones, whoever's memory a hypothesis goes on from."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import tiny
import torch
from threads import threads
from torch import Tensor

from multimodel.batch import Batch
from multimodel.body import BodyMemory
from multimodel.decoding import beam, reorder
from multimodel.layers.paths import FEWEST, MANY, plain_paths, shares, steps_compiled
from multimodel.model import MultiModel

numba = pytest.importorskip("numba")

LENGTH = 135  # more than the 113 places of the longest ring
Order = dict[int, list[int]]


def text(examples: int) -> Batch:
    """Sources of several lengths."""
    batch = tiny.batch("en-de", examples, LENGTH)
    mask = torch.arange(batch.inputs.shape[1]) < torch.randint(1, 1 + batch.inputs.shape[1], (examples, 1))
    return replace(batch, input_mask=mask)


@torch.no_grad()
def written(model: MultiModel, batch: Batch, order: Order, length: int = LENGTH) -> Tensor:
    """Logits of targets that are given, where after some positions the hypotheses change places."""
    memory, targets, found = model.start(model.encode(batch), length), batch.targets, []
    for position in range(length):
        previous = targets[:, position - 1 : position] if position else None
        found.append(model.step(batch.route, previous, memory, position))
        if position in order:
            rows = torch.tensor(order[position])
            memory, targets = reorder(memory, rows), targets[rows]
    return torch.cat(found)


def agree(model: MultiModel, batch: Batch, order: Order, length: int = LENGTH) -> None:
    with torch.no_grad():
        assert not isinstance(model.start(model.encode(batch), length).body, BodyMemory)
    compiled = written(model, batch, order, length)
    with plain_paths():
        torch.testing.assert_close(compiled, written(model, batch, order, length), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hypotheses", [1, 5])
def test_steps_equal_the_plain_ones_at_every_position(hypotheses: int) -> None:
    agree(tiny.model(), text(hypotheses), {})


@pytest.mark.parametrize("hypotheses", [FEWEST, FEWEST + 1, 2 * MANY + 7])
def test_steps_of_many_hypotheses_that_change_places_equal_the_plain_ones(hypotheses: int) -> None:
    order = {position: torch.randint(hypotheses, (hypotheses,)).tolist() for position in (0, 1, 4, 5, 6, 30)}
    agree(tiny.model(), text(hypotheses), order, 34)


def test_hypotheses_that_change_places_at_every_position_equal_the_plain_ones() -> None:
    order = {position: torch.randint(4, (4,)).tolist() for position in range(LENGTH)}
    agree(tiny.model(), text(4), order)


def test_hypotheses_may_become_more_and_fewer() -> None:
    agree(tiny.model(), text(2), {0: [0, 0, 1], 3: [2, 1], 5: [0, 1, 1, 0, 0, 1], 9: [5]}, 20)


@pytest.mark.parametrize(
    "parts",
    [
        {"timing": "none"},
        {"self_attention": "none"},
        {"cross_attention": "average"},
        {"self_attention": "none", "cross_attention": "average"},
        {"mixture": "dense"},
        {"mixture": "none"},
        {"width": 20, "heads": 5, "expert_width": 7},
        {"width": 48, "heads": 2},
    ],
    ids=str,
)
def test_steps_of_other_parts_and_sizes_equal_the_plain_ones(parts: dict[str, str | int]) -> None:
    agree(tiny.model(**parts), text(3), {2: [0, 0, 2], 7: [1, 2, 1]}, 20)


def test_few_hypotheses_are_one_share_and_many_are_small_ones() -> None:
    assert [shares(count) for count in (1, FEWEST, FEWEST + 1, 2 * FEWEST, 2 * MANY, 2 * MANY + 1)] == [
        1,
        1,
        2,
        2,
        2,
        3,
    ]


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="there is one core")
def test_the_number_of_threads_changes_no_bit() -> None:
    model, batch = tiny.model(), text(2 * MANY + 7)
    with threads(1):
        alone = written(model, batch, {3: list(range(len(batch)))[::-1]}, 6)
    with threads(2):
        assert torch.equal(written(model, batch, {3: list(range(len(batch)))[::-1]}, 6), alone)


@pytest.mark.parametrize(("examples", "width"), [(3, 4), (11, 3), (9, 5)])
def test_beams_equal_the_plain_ones(examples: int, width: int) -> None:
    model, batch = tiny.model(), text(examples)
    found = beam(model, batch, width, 40)
    with plain_paths():
        expected = beam(model, batch, width, 40)
    assert found.symbols == expected.symbols
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-4, atol=1e-4)


def test_steps_are_compiled_for_float32_without_gradients_only() -> None:
    x = torch.zeros(1)
    assert not steps_compiled(x)
    with torch.no_grad():
        assert steps_compiled(x)
        assert not steps_compiled(x.double())
        assert not steps_compiled(x[:0])


WITHOUT_LIBRARY = """
import ctypes, sys, pytest, torch
load = ctypes.CDLL
ctypes.CDLL = lambda path, *rest, **options: None if path == torch._C.__file__ else load(path, *rest, **options)
failed = pytest.main(["-p", "no:cacheprovider", "-k", "other_parts and width", {path!r}])
from multimodel.layers import kernels_cpu
sys.exit(failed or kernels_cpu.PRODUCTS)
"""


@pytest.mark.slow
def test_steps_need_no_library_for_products(tmp_path: object) -> None:
    script = WITHOUT_LIBRARY.format(path=__file__)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
