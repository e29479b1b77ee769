"""Matrix products: exact by default; with factors rounded to bfloat16 the same value and gradients, to its digits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multimodel.layers.products import Linear, bfloat16_factors, product

pytest.importorskip("numba")
CLOSE = {"rtol": 2e-2, "atol": 2e-2}  # a factor has 8 bits


def value_and_gradients(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = product(x, weight)
    y.backward(torch.ones_like(y).cumsum(1) / y.shape[1])
    assert x.grad is not None
    assert weight.grad is not None
    return y.detach(), x.grad, weight.grad / len(x)


@pytest.mark.parametrize(("rows", "features"), [(1, 24), (15, 1), (16, 3), (130, 24), (300, 501)])
def test_products_of_rounded_factors_are_near_exact_ones(rows: int, features: int) -> None:
    x, weight = torch.randn(rows, 48), torch.randn(features, 48) * 48**-0.5
    exact = value_and_gradients(x, weight)
    with bfloat16_factors():
        rough = value_and_gradients(x, weight)
    assert not torch.equal(rough[0], exact[0]), "nothing was rounded"
    for one, other in zip(rough, exact, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_factors_are_rounded_to_the_nearest_and_nothing_else_is() -> None:
    x, weight = torch.randn(37, 20), torch.randn(11, 20)
    with bfloat16_factors():
        torch.testing.assert_close(product(x, weight), x.bfloat16().float() @ weight.bfloat16().float().t())


def test_products_are_plain_outside_the_block_and_in_other_types() -> None:
    x, weight = torch.randn(30, 8), torch.randn(5, 8)
    assert torch.equal(product(x, weight), F.linear(x, weight))
    with bfloat16_factors():
        assert torch.equal(product(x.double(), weight.double()), F.linear(x.double(), weight.double()))
    assert torch.equal(product(x, weight), F.linear(x, weight))


@pytest.mark.parametrize("shape", [(2, 3, 16), (3, 16), (16,)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_equals_torchs(bias: bool, shape: tuple[int, ...]) -> None:
    layer, x = Linear(16, 8, bias=bias), torch.randn(shape)
    exact = F.linear(x, layer.weight, layer.bias)
    assert torch.equal(layer(x), exact)
    assert isinstance(layer, nn.Linear)
    with bfloat16_factors():
        torch.testing.assert_close(layer(x), exact, **CLOSE)
