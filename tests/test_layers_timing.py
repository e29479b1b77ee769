"""Timing signal: the formula, entry by entry."""

from __future__ import annotations

import math

import pytest
import torch

from multimodel.layers.timing import NoTiming, Timing, timing_signal


def test_channels_are_pairs_of_sine_and_cosine() -> None:
    signal = timing_signal(30, 8, 0, torch.zeros(1))
    for position in range(30):
        for i in range(4):
            angle = position * 10000 ** (-2 * i / 8)
            assert signal[position, 2 * i] == pytest.approx(math.sin(angle), abs=1e-5)
            assert signal[position, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-5)


def test_a_later_start_is_a_slice_of_the_same_signal() -> None:
    whole = timing_signal(1100, 16, 0, torch.zeros(1))
    for start in (0, 250, 511, 512, 1023, 1024):
        assert torch.equal(timing_signal(1, 16, start, torch.zeros(1)), whole[start : start + 1])


def test_timing_is_added_and_its_ablation_adds_nothing() -> None:
    x = torch.randn(2, 5, 6)
    torch.testing.assert_close(Timing()(x, 3) - x, timing_signal(5, 6, 3, x).expand(2, 5, 6))
    assert torch.equal(NoTiming()(x, 3), x)
