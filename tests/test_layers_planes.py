"""Convolutions and pools over planes: the authors' numbers, and windows whose place never depends on padding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from authors import agree, load
from torch import nn

from multimodel.layers.convolution import NORM_EPSILON
from multimodel.layers.planes import ConvRes, ConvStep2d, max_pool, pad_even, pad_same, same_padding


def test_plane_steps_agree_with_the_authors_code() -> None:
    fixture = load("03_sepconv2d_3x3x2_same")
    steps = [ConvStep2d(8, 12, (3, 3)), ConvStep2d(12, 12, (3, 3))]
    x = fixture["in:x"].requires_grad_()
    y, everywhere = x, torch.ones(2, 7, 6, 1)
    for index, step in enumerate(steps):
        conv, norm = f"var:blk/conv_block_{index}_single", f"var:blk/conv_block_norm_{index}"
        with torch.no_grad():
            step.conv.depthwise.copy_(fixture[f"{conv}/depthwise_kernel"].permute(2, 3, 0, 1))
            step.conv.pointwise.weight.copy_(fixture[f"{conv}/pointwise_kernel"][0, 0].T)
            step.norm.weight.copy_(fixture[f"{norm}/layer_norm_scale"])
            step.norm.bias.copy_(fixture[f"{norm}/layer_norm_bias"])
        y = step(y, everywhere)
    agree(y, fixture["out:y"])
    y.backward(fixture["cotangent:y"])
    agree(x.grad, fixture["grad:in:x"])
    for index, step in enumerate(steps):
        conv, norm = f"grad:blk/conv_block_{index}_single", f"grad:blk/conv_block_norm_{index}"
        agree(step.conv.depthwise.grad, fixture[f"{conv}/depthwise_kernel"].permute(2, 3, 0, 1))
        agree(step.conv.pointwise.weight.grad, fixture[f"{conv}/pointwise_kernel"][0, 0].T)
        agree(step.norm.weight.grad, fixture[f"{norm}/layer_norm_scale"])
        agree(step.norm.bias.grad, fixture[f"{norm}/layer_norm_bias"])


def test_strided_windows_stand_where_the_authors_code_puts_them() -> None:
    fixture = load("03_conv2d_3x3_stride2_same")
    kernel = fixture["var:blk/conv_block_0_single/kernel"].permute(3, 2, 0, 1).requires_grad_()
    norm = nn.LayerNorm(12, eps=NORM_EPSILON)
    with torch.no_grad():
        norm.weight.copy_(fixture["var:blk/conv_block_norm_0/layer_norm_scale"])
        norm.bias.copy_(fixture["var:blk/conv_block_norm_0/layer_norm_bias"])
    x = fixture["in:x"].requires_grad_()
    padded, around = pad_same(x, (3, 3), (2, 2))
    y = norm(F.conv2d(padded.permute(0, 3, 1, 2), kernel, stride=2, padding=around).permute(0, 2, 3, 1))
    agree(y, fixture["out:y"])
    gradients = torch.autograd.grad(y, (x, kernel, norm.weight, norm.bias), fixture["cotangent:y"])
    agree(gradients[0], fixture["grad:in:x"])
    agree(gradients[1], fixture["grad:blk/conv_block_0_single/kernel"].permute(3, 2, 0, 1))
    agree(gradients[2], fixture["grad:blk/conv_block_norm_0/layer_norm_scale"])
    agree(gradients[3], fixture["grad:blk/conv_block_norm_0/layer_norm_bias"])


def test_pools_agree_with_the_authors_code() -> None:
    fixture = load("03_maxpool")
    x, everywhere = fixture["in:x"].requires_grad_(), torch.ones(2, 7, 6, 1)
    y = max_pool(x, everywhere, (3, 3), (2, 2))
    agree(y, fixture["out:y"], 0)
    agree(max_pool(x, everywhere, (3, 3), (2, 1)), fixture["out:y21"], 0)
    y.backward(fixture["cotangent:y"])
    agree(x.grad, fixture["grad:in:x"], 1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_same_padding_fits_one_window_per_stride(kernel: int, stride: int) -> None:
    for size in range(1, 20):
        before, after = same_padding(size, kernel, stride)
        windows = (before + size + after - kernel) // stride + 1
        assert windows == -(-size // stride)
        assert before in (after, after - 1)


def test_planes_are_made_even_at_their_end_only() -> None:
    x = torch.randn(1, 3, 4, 2)
    padded = pad_even(x, (2, 2))
    assert padded.shape == (1, 4, 4, 2)
    assert torch.equal(padded[:, :3], x)
    assert not padded[:, 3].any()
    assert pad_even(padded, (2, 2)) is padded


def test_a_masked_pixel_never_wins_a_pool() -> None:
    x = torch.full((1, 4, 4, 1), -5.0)
    mask = torch.zeros(1, 4, 4, 1)
    x[0, 0, 0], mask[0, 0, 0] = -7.0, 1.0
    assert max_pool(x, mask, (3, 3), (2, 2)).flatten().tolist() == [-7.0, 0.0, 0.0, 0.0]


def test_negative_values_win_over_the_border() -> None:
    assert (max_pool(torch.full((1, 5, 5, 1), -3.0), torch.ones(1, 5, 5, 1), (3, 3), (2, 2)) == -3).all()


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("size", [(1, 1), (3, 4), (5, 5), (6, 7)])
@pytest.mark.parametrize("extra", [(1, 0), (0, 1), (2, 3), (5, 4)])
def test_appended_pixels_change_nothing(size: tuple[int, int], stride: tuple[int, int], extra: tuple[int, int]) -> None:
    block = ConvRes(3, 5, stride=stride)
    x, mask = torch.randn(2, *size, 3), torch.ones(2, *size, 1)
    y, real = block(x, mask)
    appended = (0, 0, 0, extra[1], 0, extra[0])
    wide, wide_real = block(F.pad(x, appended, value=9.0), F.pad(mask, appended))
    high, broad = y.shape[1:3]
    torch.testing.assert_close(wide[:, :high, :broad] * real, y * real)
    assert torch.equal(wide_real[:, :high, :broad], real)
    assert wide_real.sum() == real.sum() == 2 * -(-size[0] // stride[0]) * -(-size[1] // stride[1])
