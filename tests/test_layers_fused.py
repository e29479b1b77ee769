"""What the compiled kernels of whole blocks compute equals the plain paths, in value and in every gradient."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from threads import threads
from torch import Tensor, nn

from multimodel.layers.attention import MultiHeadAttention
from multimodel.layers.convolution import ConvBlock, ConvStep, conv_steps
from multimodel.layers.experts import MixtureOfExperts, Routing
from multimodel.layers.paths import fused, plain_paths
from multimodel.layers.products import bfloat16_factors

pytest.importorskip("numba")
from numba import config
from numba.core.errors import TypingError

from multimodel.layers import kernels_cpu

if not fused(torch.zeros(1)):
    pytest.skip("torch's library offers no products here", allow_module_level=True)

SHAPES = [(2, 1, 4), (1, 7, 5), (3, 17, 16), (9, 33, 6), (2, 113, 4)]


def shaken(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def found(call: Callable[[], Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """The value, and the gradients for a cotangent that is always the same."""
    y = call()
    return [y.detach(), *torch.autograd.grad(y, inputs, torch.linspace(-1, 1, y.numel()).sin().view_as(y))]


def both(call: Callable[[], Tensor], inputs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    fast = found(call, inputs)
    with plain_paths():
        return fast, found(call, inputs)


def distance(one: Tensor, other: Tensor) -> float:
    """Relative to what both should be."""
    return float((one - other).norm() / (other.norm() + 1e-2))  # that of a key's bias should be 0


def agree(call: Callable[[], Tensor], inputs: list[Tensor]) -> None:
    """The same by both paths, which differ in their last digits; a norm over few channels may lose some of these."""
    fast, plain = both(call, inputs)
    assert max(map(distance, fast, plain)) < 1e-3


def near(call: Callable[[], Tensor], inputs: list[Tensor]) -> None:
    """With rounded factors, near: a ReLU whose input has another sign in bfloat16 may change single elements."""
    with bfloat16_factors():
        rough = found(call, inputs)
    assert 1e-4 < max(map(distance, rough, found(call, inputs))) < 0.2


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("dilation", [1, 4, 8])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 15])
def test_a_conv_step(kernel: int, dilation: int, causal: bool, masked: bool) -> None:
    for batch, length, width in SHAPES:
        step = shaken(ConvStep(width, width + 3, kernel, dilation=dilation, causal=causal))
        x = torch.randn(batch, length, width, requires_grad=True)
        mask = (torch.rand(batch, length, 1) > 0.3).float() if masked else None
        agree(lambda: step(x, mask), [x, *step.parameters()])  # noqa: B023 - called at once


def block(causal: bool, batch: int = 5) -> tuple[nn.Module, Tensor, Tensor]:
    made = shaken(ConvBlock(16, 0.0, causal=causal))
    return made, torch.randn(batch, 40, 16, requires_grad=True), (torch.rand(batch, 40, 1) > 0.3).float()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("batch", [1, 5, 21])
def test_a_conv_block(batch: int, causal: bool) -> None:
    made, x, mask = block(causal, batch)
    agree(lambda: made(x, mask), [x, *made.parameters()])
    near(lambda: made(x, mask), [x, *made.parameters()])
    with torch.no_grad():
        alone = made(x, mask)  # keeps nothing of its steps
    assert torch.equal(alone, made(x, mask))


def test_conv_steps_read_what_is_not_contiguous_and_leave_it_as_it_was() -> None:
    step, x = ConvStep(5, 5, 3, dilation=2, causal=False), torch.randn(2, 5, 9).transpose(1, 2).requires_grad_()
    before = x.detach().clone()
    agree(lambda: step(x).transpose(1, 2).contiguous().transpose(1, 2), [x, *step.parameters()])
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_take_the_plain_path(dtype: torch.dtype) -> None:
    made, x, mask = block(causal=True)
    steps = [made.to(dtype).step1]
    x, mask = x.detach().to(dtype), mask.to(dtype)
    assert torch.equal(conv_steps(x, mask, steps, [False]), steps[0].plain(x, mask))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("batch", "length", "reach"), [(1, 1, 1), (2, 7, 7), (9, 12, 30), (3, 40, 5)])
def test_attention(batch: int, length: int, reach: int, causal: bool) -> None:
    attention = shaken(MultiHeadAttention(16, 4))
    target = torch.randn(batch, length, 16, requires_grad=True)
    source = torch.randn(batch, reach, 16, requires_grad=True)
    mask = torch.rand(batch, reach) > 0.4
    mask[:, 0] = True
    inputs = [target, source, *attention.parameters()]
    if causal:
        agree(lambda: attention(target, target, causal=True), [target, *attention.parameters()])
    else:
        agree(lambda: attention(target, source, mask), inputs)
        agree(lambda: attention(target, source), inputs)
    if length > 1:
        near(lambda: attention(target, source), [target, attention.output.weight, attention.value.weight])


def test_large_scores_overflow_nowhere() -> None:
    attention, x = MultiHeadAttention(8, 2), 300 * torch.randn(2, 6, 8)
    fast, plain = both(lambda: attention(x, x), list(attention.parameters()))
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-3, atol=1e-2)
    assert all(torch.isfinite(one).all() for one in fast)


def test_attention_to_very_many_positions_takes_the_plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, x = MultiHeadAttention(8, 2), torch.randn(2, 6, 8)

    def path() -> str:
        return attention(x, x).grad_fn.name()

    short = path()
    monkeypatch.setattr("multimodel.layers.attention.MOST_SCORES", 2 * 6 * 6 - 1)
    assert path() != short


def mixture(positions: int, experts: int, used: int) -> tuple[MixtureOfExperts, Tensor, Routing, list[Tensor]]:
    made = MixtureOfExperts(8, experts, used, 12)
    nn.init.normal_(made.gate.gate)
    x = torch.randn(positions, 8, requires_grad=True)
    with torch.no_grad():
        routing = made.gate(x, None)
    gates = routing.gates.requires_grad_()
    return made, x, routing, [x, gates, made.hidden, made.output]


@pytest.mark.parametrize(("positions", "experts", "used"), [(1, 1, 1), (7, 30, 2), (40, 5, 5), (700, 3, 2)])
def test_experts(positions: int, experts: int, used: int) -> None:
    made, x, routing, inputs = mixture(positions, experts, used)
    agree(lambda: made.mix(x, routing), inputs)
    near(lambda: made.mix(x, routing), inputs[:1] + inputs[2:])


def test_experts_that_nobody_asks_get_a_gradient_of_zeros() -> None:
    made, x, routing, inputs = mixture(4, 30, 1)
    asked = torch.zeros(30, dtype=torch.bool).index_fill(0, routing.experts.flatten(), True)
    for precision in (nullcontext, bfloat16_factors):
        with precision():
            _, _, _, of_hidden, of_output = found(lambda: made.mix(x, routing), inputs)
        for gradient in (of_hidden, of_output):
            assert torch.equal(gradient.flatten(1).any(1), asked)


@pytest.mark.skipif(config.NUMBA_NUM_THREADS < 2, reason="there is one core")
@pytest.mark.parametrize("precision", [nullcontext, bfloat16_factors])
def test_the_number_of_threads_changes_no_bit(precision: Callable[[], AbstractContextManager[None]]) -> None:
    made, x, mask = block(causal=False)
    attention = MultiHeadAttention(16, 4)
    sparse, rows, routing, inputs = mixture(300, 6, 2)
    ways = [
        (lambda: made(x, mask), [x, *made.parameters()]),
        (lambda: attention(x, x, causal=True), [x, *attention.parameters()]),
        (lambda: sparse.mix(rows, routing), inputs),
    ]
    with precision():
        for call, differentiated in ways:
            with threads(1):
                alone = found(call, differentiated)
            with threads(2):
                together = found(call, differentiated)
            assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


DIGEST = """
import hashlib, torch
from multimodel.layers.attention import MultiHeadAttention
torch.manual_seed(0)
attention, x = MultiHeadAttention(16, 4), torch.randn(5, 40, 16)
print(hashlib.sha256(attention(x, x, causal=True).detach().numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_a_kernel_that_was_just_compiled_and_one_that_is_loaded_give_the_same_bits(tmp_path: Path) -> None:
    def digest() -> str:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert digest() == digest()
    assert list(tmp_path.rglob("attention_cpu.*.nbc"))


def test_torchs_own_products_use_as_many_threads_after_a_kernel_as_before() -> None:
    with threads(2):
        made, x, routing, _ = mixture(30, 6, 2)
        made.mix(x, routing)
        assert kernels_cpu._threads_of_products(2) == 2
        with pytest.raises(TypingError, match="no product"):
            made.double().mix(x, routing)
        assert kernels_cpu._threads_of_products(2) == 2


def calls() -> dict[str, tuple[Callable[[], Tensor], list[Tensor]]]:
    made, x, _ = block(causal=True)
    attention, (sparse, rows, routing, inputs) = MultiHeadAttention(16, 4), mixture(30, 6, 2)
    return {
        "block": (lambda: made(x), [x, *made.parameters()]),
        "attention": (lambda: attention(x, x), [x, *attention.parameters()]),
        "experts": (lambda: sparse.mix(rows, routing), inputs),
    }


@pytest.mark.parametrize("name", ["block", "attention", "experts"])
def test_gradients_that_are_not_contiguous(name: str) -> None:
    call, inputs = calls()[name]
    agree(lambda: call().transpose(0, 1), inputs)
    agree(lambda: call()[:1].transpose(0, 1), inputs)


@pytest.mark.parametrize("name", ["block", "attention", "experts"])
def test_what_cannot_be_differentiated_raises(name: str) -> None:
    call, inputs = calls()[name]
    (slope,) = torch.autograd.grad(call().square().sum(), inputs[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
    y = call().sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_weights_that_changed_before_the_way_back_raise() -> None:
    made, x, routing, _ = mixture(30, 6, 2)
    y = made.mix(x, routing).sum()
    with torch.no_grad():
        made.output.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_frozen_parameters_get_no_gradient_and_change_no_other() -> None:
    made, x, mask = block(causal=False)
    free = [parameter for name, parameter in made.named_parameters() if "step2" not in name]
    made.step2.requires_grad_(False)
    agree(lambda: made(x, mask), [x, *free])


def test_a_source_without_any_real_position_gives_numbers() -> None:
    attention, x = MultiHeadAttention(8, 2), torch.randn(2, 3, 8)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert all(torch.isfinite(one).all() for one in found(lambda: attention(x, x, mask), list(attention.parameters())))


def test_an_expert_that_is_no_number_answers_none() -> None:
    made, x, routing, _ = mixture(4, 2, 2)
    with torch.no_grad():
        made.hidden[0, 0, 0] = torch.nan
    assert made.mix(x, routing).isnan().all()


@pytest.mark.parametrize("precision", [nullcontext, bfloat16_factors])
def test_weights_of_experts_that_nobody_asks_are_not_read(
    precision: Callable[[], AbstractContextManager[None]],
) -> None:
    made, x, routing, inputs = mixture(4, 30, 1)
    idle = torch.ones(30, dtype=torch.bool).index_fill(0, routing.experts.flatten(), False)
    with torch.no_grad():
        made.hidden[idle] = made.output[idle] = torch.nan
    with precision():
        assert all(torch.isfinite(one).all() for one in found(lambda: made.mix(x, routing), inputs))


def test_a_library_without_products_leaves_the_plain_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    made, x, mask = block(causal=True)
    monkeypatch.setattr(kernels_cpu, "PRODUCTS", False)
    with plain_paths():
        plain = made(x, mask)
    assert torch.equal(made(x, mask), plain)
