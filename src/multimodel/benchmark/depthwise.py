"""A ConvStep in four ways: ours, its plain path, and with either of torch's convolutions as its depthwise half."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from multimodel.benchmark.results import Case, Part, Row
from multimodel.benchmark.setting import Setting, plain
from multimodel.benchmark.timing import Way, in_turn
from multimodel.layers.convolution import ConvStep
from multimodel.layers.depthwise import centre

BATCH, LENGTH, WIDTH = 45, 32, 128
FILTERS = ((3, 1, True), (15, 1, True), (15, 8, True), (15, 8, False))  # taps, dilation, causal


def padded(x: Float[Tensor, "b t d"], kernel: int, dilation: int, causal: bool) -> Float[Tensor, "b d s"]:
    """Zeros around the rectified sequence, channels second."""
    before = centre(kernel, causal) * dilation
    return F.pad(F.relu(x), (0, 0, before, (kernel - 1) * dilation - before)).transpose(1, 2)


def grouped_conv1d(x: Float[Tensor, "b t d"], weight: Float[Tensor, "d k"], dilation: int, causal: bool) -> Tensor:
    """torch's convolution of sequences, a group for each channel."""
    x = padded(x, weight.shape[1], dilation, causal)
    return F.conv1d(x, weight[:, None], dilation=dilation, groups=len(weight)).transpose(1, 2)


def channels_last_conv2d(
    x: Float[Tensor, "b t d"], weight: Float[Tensor, "d k"], dilation: int, causal: bool
) -> Tensor:
    """torch's convolution of planes, on planes one wide."""
    x = padded(x, weight.shape[1], dilation, causal).unsqueeze(3)
    y = F.conv2d(x, weight[:, None, :, None], dilation=(dilation, 1), groups=len(weight))
    return y.squeeze(3).transpose(1, 2)


Depthwise = Callable[[Float[Tensor, "b t d"], Float[Tensor, "d k"], int, bool], Tensor]


def with_depthwise(step: ConvStep, x: Float[Tensor, "b t d"], convolve: Depthwise) -> Float[Tensor, "b t f"]:
    """A ConvStep whose depthwise half is done in another way."""
    conv = step.conv
    return step.norm(conv.pointwise(convolve(x, conv.depthwise, conv.dilation, conv.causal)))


def ways(setting: Setting, kernel: int, dilation: int, causal: bool) -> dict[str, Way]:
    """Forward and backward of the same ConvStep."""
    x = torch.randn(BATCH, LENGTH, WIDTH, device=setting.device, requires_grad=True)
    step = ConvStep(WIDTH, WIDTH, kernel, dilation=dilation, causal=causal).to(setting.device)
    gradient = torch.randn_like(x)

    def both(forward: Callable[[], Tensor]) -> Way:
        def forward_backward() -> None:
            for tensor in (x, *step.parameters()):
                tensor.grad = None
            torch.autograd.backward(forward(), gradient)

        return forward_backward

    return {
        "ours": both(lambda: step(x)),
        "plain": plain(both(lambda: step(x))),
        "conv1d": both(lambda: with_depthwise(step, x, grouped_conv1d)),
        "conv2d": both(lambda: with_depthwise(step, x, channels_last_conv2d)),
    }


def measure(setting: Setting, kernel: int, dilation: int, causal: bool) -> list[Row]:
    """One filter."""
    times = in_turn(ways(setting, kernel, dilation, causal), setting.rounds, setting.device)
    ratios = {
        "rows (plain) ÷ ours": times.ratio("plain", "ours"),
        "grouped conv1d ÷ ours": times.ratio("conv1d", "ours"),
        "channels-last conv2d ÷ ours": times.ratio("conv2d", "ours"),
    }
    return [Row(name(kernel, dilation, causal), {"ms": times.milliseconds("ours")} | ratios)]


def name(kernel: int, dilation: int, causal: bool) -> str:
    """A filter in words."""
    return f"{kernel} taps, dilation {dilation}, {'causal' if causal else 'centred'}"


def cases(setting: Setting) -> list[Case]:
    """All filters."""
    return [Case(name(*taps), partial(measure, setting, *taps)) for taps in FILTERS]


PART = Part(
    title="ConvSteps in four ways",
    about=f"({BATCH}, {LENGTH}, {WIDTH}) in float32, forward and backward. Ratios are times over ours: of the plain "
    "path, which lays the sequence out in rows, and of torch's own convolutions.",
    drawn="grouped conv1d ÷ ours",
    cases=cases,
)
