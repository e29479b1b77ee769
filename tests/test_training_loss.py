from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from threads import threads
from torch import Tensor

from multimodel.layers.paths import plain_paths
from multimodel.loss import smoothed_cross_entropy

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 0.0], [0.1, 0.2, 0.3, 3.0]])
LABELS = torch.tensor([0, 1])


def test_without_smoothing_it_is_the_negative_log_likelihood() -> None:
    expected = -LOGITS.log_softmax(1)[torch.arange(2), LABELS]
    torch.testing.assert_close(smoothed_cross_entropy(LOGITS, LABELS, 0.0), expected)


def test_with_smoothing_it_is_the_divergence_from_the_smoothed_target() -> None:
    target = torch.full((2, 4), 0.1 / 3)
    target[torch.arange(2), LABELS] = 0.9
    expected = F.kl_div(LOGITS.log_softmax(1), target, reduction="none").sum(1)
    torch.testing.assert_close(smoothed_cross_entropy(LOGITS, LABELS, 0.1), expected)


@pytest.mark.parametrize("classes", [2, 7, 4096])
def test_the_smoothed_target_itself_costs_nothing(classes: int) -> None:
    logits = torch.full((1, classes), 0.1 / (classes - 1)).log()
    logits[0, 1] = torch.tensor(0.9).log()
    assert smoothed_cross_entropy(logits, torch.tensor([1]), 0.1).item() == pytest.approx(0, abs=3e-5)


def test_a_single_class_costs_nothing() -> None:
    assert smoothed_cross_entropy(torch.ones(1, 1), torch.tensor([0]), 0.1).item() == 0


def test_half_precision_logits_are_compared_in_single_precision() -> None:
    logits = torch.randn(3, 50)
    rounded = logits.bfloat16()
    found = smoothed_cross_entropy(rounded, torch.tensor([0, 7, 49]), 0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, smoothed_cross_entropy(rounded.float(), torch.tensor([0, 7, 49]), 0.1))


def test_its_gradient_cannot_be_differentiated_silently() -> None:
    logits = torch.randn(3, 5, requires_grad=True)
    loss = smoothed_cross_entropy(logits, torch.tensor([0, 1, 2]), 0.1).square().sum()
    (slope,) = torch.autograd.grad(loss, logits, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.square().sum().backward()


def value_and_gradient(logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    losses = smoothed_cross_entropy(logits, labels, smoothing)
    (slope,) = torch.autograd.grad((losses * weights).sum(), logits)
    return losses.detach(), slope


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 7, 41), (2, 60, 800)])
def test_the_compiled_loss_equals_the_plain_one_on_any_number_of_threads(
    shape: tuple[int, ...], smoothing: float
) -> None:
    logits, labels = 4 * torch.randn(shape).transpose(0, 1), torch.randint(shape[2], (shape[1], shape[0]))
    weights = torch.randn(labels.shape) * (torch.rand(labels.shape) > 0.2)
    with plain_paths():
        plain = value_and_gradient(logits, labels, weights, smoothing)
    found = []
    for count in (1, 2):
        with threads(count):
            found.append(value_and_gradient(logits, labels, weights, smoothing))
    for one, other, expected in zip(*found, plain, strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("path", [nullcontext, plain_paths])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_is_no_number_is_not_lost(smoothing: float, path: type) -> None:
    for wrong in (torch.nan, torch.inf):
        logits = torch.randn(3, 40)
        logits[1, 5] = wrong
        with path():
            losses = smoothed_cross_entropy(logits, torch.tensor([1, 2, 3]), smoothing)
        assert torch.isfinite(losses).tolist() == [True, False, True]
    logits = torch.randn(2, 40)
    logits[0, 5] = -torch.inf
    with path():
        losses = smoothed_cross_entropy(logits, torch.tensor([1, 5]), smoothing)
    assert losses[0].isinf() == bool(smoothing)
    assert losses[1].isfinite()
