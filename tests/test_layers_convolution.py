"""Separable convolutions: the authors' numbers, the plain slow form, no look ahead, no padding."""

from __future__ import annotations

import pytest
import tiny
import torch
import torch.nn.functional as F
from authors import Fixture, agree, load
from torch import Tensor, nn

from multimodel.layers.convolution import NORM_EPSILON, ConvBlock, ConvStep, SepConv
from multimodel.layers.depthwise import depthwise
from multimodel.layers.experts import DenseExpert


def authors_steps(fixture: Fixture) -> list[ConvStep]:
    """The fixture's chain of separable convolutions as ConvSteps."""
    steps = []
    for index, ((dilation, _), (kernel, _)) in enumerate(fixture.meta["dilations_and_kernels"]):
        pointwise = fixture[f"var:blk/conv_block_{index}_single/pointwise_kernel"][0, 0]
        width, features = pointwise.shape
        step = ConvStep(width, features, kernel, dilation=dilation, causal=fixture.meta["padding"] == "LEFT")
        with torch.no_grad():
            step.conv.depthwise.copy_(fixture[f"var:blk/conv_block_{index}_single/depthwise_kernel"][:, 0, :, 0].T)
            step.conv.pointwise.weight.copy_(pointwise.T)
            step.norm.weight.copy_(fixture[f"var:blk/conv_block_norm_{index}/layer_norm_scale"])
            step.norm.bias.copy_(fixture[f"var:blk/conv_block_norm_{index}/layer_norm_bias"])
        steps.append(step)
    return steps


@pytest.mark.parametrize("name", ["k3_k15d8_left", "k15_k15d4_left", "k3k3_same_mask", "k15_k15d4_same_mask"])
def test_conv_steps_agree_with_the_authors_code(name: str) -> None:
    fixture = load(f"03_sepconv_{name}")
    mask = fixture["in:mask"][:, :, 0] if fixture.meta["mask"] else None
    x = fixture["in:x"][:, :, 0].requires_grad_()
    y, steps = x, authors_steps(fixture)
    for step in steps:
        y = step(y, mask)
    agree(y, fixture["out:y"][:, :, 0])
    y.backward(fixture["cotangent:y"][:, :, 0])
    agree(x.grad, fixture["grad:in:x"][:, :, 0])
    for index, step in enumerate(steps):
        conv, norm = f"grad:blk/conv_block_{index}_single", f"grad:blk/conv_block_norm_{index}"
        agree(step.conv.depthwise.grad, fixture[f"{conv}/depthwise_kernel"][:, 0, :, 0].T)
        agree(step.conv.pointwise.weight.grad, fixture[f"{conv}/pointwise_kernel"][0, 0].T)
        agree(step.norm.weight.grad, fixture[f"{norm}/layer_norm_scale"])
        agree(step.norm.bias.grad, fixture[f"{norm}/layer_norm_bias"])


def test_the_norm_agrees_with_the_authors_code() -> None:
    fixture = load("02_layer_norm")
    norm = nn.LayerNorm(32, eps=NORM_EPSILON)
    ours = [*tiny.model().modules(), *DenseExpert(4, 8).modules()]
    assert {one.eps for one in ours if isinstance(one, nn.LayerNorm)} == {fixture.meta["epsilon"]}
    with torch.no_grad():
        norm.weight.copy_(fixture["var:layer_norm/layer_norm_scale"])
        norm.bias.copy_(fixture["var:layer_norm/layer_norm_bias"])
    x = fixture["in:x"].requires_grad_()
    y = norm(x)
    agree(y, fixture["out:y"])
    y.backward(fixture["cotangent:y"])
    agree(x.grad, fixture["grad:in:x"])
    agree(norm.weight.grad, fixture["grad:layer_norm/layer_norm_scale"])
    agree(norm.bias.grad, fixture["grad:layer_norm/layer_norm_bias"])


def plain_depthwise(x: Tensor, weight: Tensor, dilation: int, causal: bool) -> Tensor:
    """One grouped convolution over the zero-padded sequence."""
    total = (weight.shape[1] - 1) * dilation
    left = total if causal else (weight.shape[1] - 1) // 2 * dilation
    padded = F.pad(x.transpose(1, 2), (left, total - left))
    return F.conv1d(padded, weight[:, None], dilation=dilation, groups=x.shape[2]).transpose(1, 2)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("dilation", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 8, 15])
def test_depthwise_equals_one_plain_grouped_convolution(kernel: int, dilation: int, causal: bool) -> None:
    weight = torch.randn(3, kernel, dtype=torch.float64, requires_grad=True)
    for length in (1, 2, 3, 7, 8, 16, 17, 40, 113, 120):
        x = torch.randn(2, length, 3, dtype=torch.float64, requires_grad=True)
        ours, plain = depthwise(x, weight, dilation, causal), plain_depthwise(x, weight, dilation, causal)
        torch.testing.assert_close(ours, plain)
        cotangent = torch.randn_like(plain)
        expected = torch.autograd.grad(plain, (x, weight), cotangent)
        torch.testing.assert_close(torch.autograd.grad(ours, (x, weight), cotangent), expected)


def test_depthwise_reads_a_sequence_that_is_not_contiguous() -> None:
    x, weight = torch.randn(2, 5, 9).transpose(1, 2), torch.randn(5, 3)
    torch.testing.assert_close(depthwise(x, weight, 2, True), depthwise(x.contiguous(), weight, 2, True))


def test_a_separable_convolution_has_nothing_between_its_two_parts() -> None:
    conv = SepConv(4, 6, 3, causal=True)
    assert {name: tuple(parameter.shape) for name, parameter in conv.named_parameters()} == {
        "depthwise": (4, 3),
        "pointwise.weight": (6, 4),
    }
    x = torch.randn(1, 5, 4)
    torch.testing.assert_close(conv(-2 * x), -2 * conv(x))


@pytest.mark.parametrize(("causal", "first", "last"), [(True, -130, 0), (False, -65, 65)])
def test_a_block_sees_131_positions(causal: bool, first: int, last: int) -> None:
    block = ConvBlock(6, 0.0, causal=causal).double()
    x = torch.randn(1, 320, 6, dtype=torch.float64, requires_grad=True)
    block(x)[0, 160].square().sum().backward()
    seen = x.grad[0].abs().sum(1).nonzero().squeeze(1) - 160
    assert (int(seen.min()), int(seen.max())) == (first, last)


def test_a_block_is_the_papers_four_hidden_steps() -> None:
    block, x = ConvBlock(6, 0.0, causal=False), torch.randn(2, 30, 6)
    shapes = [(step.conv.depthwise.shape[1], step.conv.dilation) for step in block.children() if step != block.dropout]
    assert shapes == [(3, 1), (3, 1), (15, 1), (15, 8)]
    hidden1 = block.step1(x)
    hidden2 = x + block.step2(hidden1)
    hidden3 = block.step3(hidden2)
    torch.testing.assert_close(block(x), x + block.step4(hidden3))


def test_a_masked_centred_block_never_reads_padding() -> None:
    block = ConvBlock(6, 0.0, causal=False)
    x, mask = torch.randn(2, 20, 6), torch.ones(2, 20, 1)
    padded = F.pad(x, (0, 0, 0, 9), value=3.0)
    torch.testing.assert_close(block(padded, F.pad(mask, (0, 0, 0, 9)))[:, :20], block(x, mask))
    assert not torch.allclose(block(padded)[:, :20], block(x))


def test_dropout_acts_in_training_only_and_after_the_block() -> None:
    block, x = ConvBlock(32, 0.5, causal=True), torch.randn(4, 30, 32)
    kept = block.eval()(x)
    dropped = block.train()(x)
    zero = dropped == 0
    assert 0.4 < zero.double().mean() < 0.6
    torch.testing.assert_close(dropped[~zero], 2 * kept[~zero])


def test_a_step_never_carries_anything_over_from_an_earlier_sequence() -> None:
    block, x = ConvBlock(4, 0.0, causal=True).eval(), torch.randn(1, 12, 4)

    def written() -> Tensor:
        memory = block.start(1)
        return torch.cat([block.step(x[:, p : p + 1], memory, p) for p in range(12)], dim=1)

    first, second = written(), written()
    assert torch.equal(first, second)


def test_centred_filters_put_their_smaller_half_first() -> None:
    taps = torch.tensor([[1.0, 10.0, 100.0, 1000.0]])
    x = torch.zeros(1, 7, 1)
    x[0, 3] = 1.0
    assert depthwise(x, taps, 1, False)[0, :, 0].tolist() == [0, 1000, 100, 10, 1, 0, 0]


def test_a_block_starts_near_the_identity() -> None:
    x = torch.randn(4, 40, 16)
    assert 0 < (ConvBlock(16, 0.0, causal=True)(x) - x).std() < 0.2
