import pytest
import torch
import torch.nn.functional as F

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
