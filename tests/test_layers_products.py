"""Matrix products: the plain one by default; at medium precision the same value and gradients, to bfloat16's digits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multimodel.layers.experts import MixtureOfExperts
from multimodel.layers.products import LARGEST_COPY, Linear, medium_precision, product, rounded

CLOSE = {"rtol": 2e-2, "atol": 2e-2}  # a factor has 8 bits


def value_and_gradients(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = product(x, weight)
    y.backward(torch.ones_like(y).cumsum(1) / y.shape[1])
    assert x.grad is not None
    assert weight.grad is not None
    return y.detach(), x.grad, weight.grad / len(x)


@pytest.mark.parametrize("rows", [1, 15, 16, 130, 300])
def test_medium_products_agree_with_exact_ones(rows: int) -> None:
    x, weight = torch.randn(rows, 48), torch.randn(48, 24) * 48**-0.5
    exact = value_and_gradients(x, weight)
    with medium_precision():
        rough = value_and_gradients(x, weight)
    for one, other in zip(rough, exact, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, **CLOSE)


def test_a_large_matrix_is_not_copied_to_round_its_rows() -> None:
    x, weight = torch.randn(1030, 8), torch.randn(8, LARGEST_COPY // 1024)
    with medium_precision():
        rough = value_and_gradients(x, weight)
    for one, other in zip(rough, value_and_gradients(x, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=5e-2, atol=5e-2)


def test_products_are_plain_outside_the_block_and_in_other_types() -> None:
    x, weight = torch.randn(30, 8), torch.randn(8, 5)
    assert torch.equal(product(x, weight), x @ weight)
    with medium_precision():
        assert torch.equal(product(x.double(), weight.double()), x.double() @ weight.double())
    assert torch.equal(product(x, weight), x @ weight)


def test_torchs_own_switch_is_left_as_it_was() -> None:
    before = torch.get_float32_matmul_precision()
    with medium_precision():
        value_and_gradients(torch.randn(30, 8), torch.randn(8, 5))
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_equals_torchs(bias: bool) -> None:
    layer, x = Linear(16, 8, bias=bias), torch.randn(2, 3, 16)
    exact = F.linear(x, layer.weight, layer.bias)
    assert torch.equal(layer(x), exact)
    assert isinstance(layer, nn.Linear)
    with medium_precision():
        torch.testing.assert_close(layer(x), exact, **CLOSE)


def test_experts_agree_at_medium_precision_and_unused_ones_stay_still() -> None:
    mixture, x = MixtureOfExperts(16, 6, 2, 24).eval(), torch.randn(3, 11, 16)
    nn.init.normal_(mixture.gate.gate)
    x[..., 0], mixture.gate.gate.data[0, 5] = 1, -100  # nobody chooses the last expert
    mask = torch.ones(3, 11, dtype=torch.bool)
    mask[1, 4:] = False
    exact, (use,) = mixture(x, mask)
    with medium_precision():
        rough, _ = mixture(x, mask)
        rough.backward(torch.randn_like(rough))
    torch.testing.assert_close(rough, exact, **CLOSE)
    assert mixture.hidden.grad is not None
    moved = mixture.hidden.grad.flatten(1).abs().sum(1) > 0
    assert torch.equal(moved, use.load > 0)
    assert moved.tolist() == [True] * 5 + [False]


def test_sizes_are_few_and_little_larger() -> None:
    sizes = {rounded(rows) for rows in range(1025, 2049)}
    assert len(sizes) == 8
    for rows in range(5000):
        assert rounded(rounded(rows)) == rounded(rows) >= rows
        assert rounded(rows) <= max(rows * 1.125, rows + 15)
