"""Attention: the authors' numbers, the plain sum, and the block made of it."""

from __future__ import annotations

import pytest
import torch
from authors import agree, load
from torch import Tensor, nn

from multimodel.layers.attention import (
    AttentionBlock,
    AverageSource,
    CrossAttention,
    MultiHeadAttention,
    NoSelfAttention,
    SelfAttention,
)
from multimodel.layers.timing import NoTiming, Timing


def fill(linear: nn.Linear, kernel: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        linear.weight.copy_(kernel.T)
        linear.bias.copy_(bias)


def projections(attention: MultiHeadAttention, names: str) -> list[nn.Linear]:
    return [{"q": attention.query, "k": attention.key, "v": attention.value}[name] for name in names]


@pytest.mark.parametrize(
    ("name", "prefix", "joint"),
    [("self_causal", "decoder_self_attention", ["qkv"]), ("encdec", "encdec_attention", ["q", "kv"])],
)
def test_attention_agrees_with_the_authors_code(name: str, prefix: str, joint: list[str]) -> None:
    fixture = load(f"06_mha_{name}")
    attention = MultiHeadAttention(32, fixture.meta["heads"])
    fill(
        attention.output,
        fixture[f"var:{prefix}/output_transform_single/kernel"][0, 0],
        fixture[f"var:{prefix}/output_transform_single/bias"],
    )
    for names in joint:
        kernels = fixture[f"var:{prefix}/{names}_transform_single/kernel"][0, 0].split(32, dim=1)
        biases = fixture[f"var:{prefix}/{names}_transform_single/bias"].split(32)
        for linear, kernel, bias in zip(projections(attention, names), kernels, biases, strict=True):
            fill(linear, kernel, bias)

    x = fixture["in:x"].requires_grad_()
    if name == "encdec":
        source = fixture["in:memory"].requires_grad_()
        y = CrossAttention(attention)(x, source, fixture["in:bias_padding"] == 0)
    else:
        y = SelfAttention(attention)(x)
    agree(y, fixture["out:y"])

    y.backward(fixture["cotangent:y"])
    agree(x.grad, fixture["grad:in:x"])
    if name == "encdec":
        agree(source.grad, fixture["grad:in:memory"])
    for linears, names in [
        *[(projections(attention, names), names) for names in joint],
        ([attention.output], "output"),
    ]:
        kernel = fixture[f"grad:{prefix}/{names}_transform_single/kernel"][0, 0]
        agree(torch.cat([linear.weight.grad.T for linear in linears], dim=1), kernel)
        bias = fixture[f"grad:{prefix}/{names}_transform_single/bias"]
        agree(torch.cat([linear.bias.grad for linear in linears]), bias)


def test_padded_source_positions_are_never_attended() -> None:
    cross = CrossAttention(MultiHeadAttention(8, 2))
    target, source = torch.randn(2, 4, 8), torch.randn(2, 6, 8)
    mask = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    before = cross(target, source, mask)
    source[1, 2:] = 50 * torch.randn(4, 8)
    assert torch.equal(cross(target, source, mask), before)
    alone = cross(target[1:], source[1:, :2], mask[1:, :2])
    torch.testing.assert_close(before[1:], alone)


def test_the_average_is_of_real_positions_only() -> None:
    average = AverageSource(8)
    source = torch.randn(2, 6, 8)
    mask = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    answers = average(torch.zeros(2, 3, 8), source, mask)
    expected = average.output(torch.stack([source[0].mean(0), source[1, :2].mean(0)]))
    torch.testing.assert_close(answers, expected[:, None].expand(2, 3, 8))


@pytest.mark.parametrize("self_attention", [SelfAttention(MultiHeadAttention(8, 2)), NoSelfAttention()])
def test_a_block_is_the_norm_of_target_self_and_cross(self_attention: nn.Module) -> None:
    cross = CrossAttention(MultiHeadAttention(8, 2))
    block = AttentionBlock(8, timing=Timing(), self_attention=self_attention, cross_attention=cross)
    target, source, mask = torch.randn(2, 9, 8), torch.randn(2, 6, 8), torch.ones(2, 6, dtype=torch.bool)
    queries = self_attention(block.step2(block.step1(Timing()(target))))
    expected = block.norm(target + queries + cross(queries, source, mask))
    torch.testing.assert_close(block(target, source, mask), expected)
    assert (block.step1.conv.depthwise.shape[1], block.step1.conv.dilation) == (5, 1)
    assert (block.step2.conv.depthwise.shape[1], block.step2.conv.dilation) == (5, 4)


def test_timing_tells_positions_of_equal_content_apart() -> None:
    def block(timing: nn.Module) -> Tensor:
        cross = CrossAttention(MultiHeadAttention(8, 2))
        parts = AttentionBlock(8, timing=timing, self_attention=NoSelfAttention(), cross_attention=cross)
        # from position 20 on, beyond the reach of the two convolutions, equal content looks equal from everywhere
        return parts(torch.ones(1, 30, 8), torch.randn(1, 3, 8), torch.ones(1, 3, dtype=torch.bool))[0, 20:]

    assert block(Timing()).std(dim=0).max() > 1e-2
    assert block(NoTiming()).std(dim=0).max() < 1e-5
