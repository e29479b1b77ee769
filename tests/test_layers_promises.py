"""What every module promises, held against each row of the table of cases."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import tiny
import torch
from cases import CASES, Case
from torch import Tensor, nn

import multimodel.layers
import multimodel.modalities
from multimodel.layers.attention import AverageSource
from multimodel.layers.paths import plain_paths

ROWS = [pytest.param(case, id=module.__name__) for module, case in CASES.items()]
CAUSAL = [pytest.param(case, id=module.__name__) for module, case in CASES.items() if case.causal]
STEPWISE = [pytest.param(case, id=module.__name__) for module, case in CASES.items() if case.stepwise]


def network_modules() -> set[type[nn.Module]]:
    names = ["multimodel.body", "multimodel.model"]
    for package in (multimodel.layers, multimodel.modalities):
        names += [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    members = [
        member for name in names for _, member in inspect.getmembers(importlib.import_module(name), inspect.isclass)
    ]
    return {member for member in members if issubclass(member, nn.Module) and member.__module__ in names}


def made(case: Case) -> nn.Module:
    return tiny.shaken(case.make()).eval()


def other(case: Case, x: Tensor) -> Tensor:
    """Another value at each place of x."""
    return x % (case.symbols - 1) + 1 if case.symbols else x + torch.rand_like(x) + 0.5


def test_every_module_has_a_row() -> None:
    assert network_modules() == set(CASES)


def test_every_module_with_a_step_has_a_stepwise_form() -> None:
    assert {module for module in CASES if hasattr(module, "step")} == {
        module for module, case in CASES.items() if case.stepwise
    }


@pytest.mark.parametrize("case", ROWS)
def test_the_output_has_the_promised_shape_and_type(case: Case) -> None:
    y = case.apply(made(case), case.example())
    assert tuple(y.shape) == case.output
    assert y.dtype == torch.float32
    assert torch.isfinite(y).all()


@pytest.mark.parametrize("case", ROWS)
def test_gradient_reaches_every_parameter(case: Case) -> None:
    module = made(case).train()
    y = case.apply(module, case.example())
    if not list(module.parameters()):
        return
    (y * torch.randn_like(y)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # a bias on all keys moves all scores of a query alike, which a softmax does not notice
        assert parameter.grad.any() or name.endswith("key.bias"), name


@pytest.mark.parametrize("case", ROWS)
def test_gradient_reaches_the_input(case: Case) -> None:
    module, x = made(case), case.example()
    if case.symbols or isinstance(module, AverageSource):
        return  # symbols have no gradient, and this ablation does not look at what is mixed into
    x.requires_grad_()
    y = case.apply(module, x)
    (y * torch.randn_like(y)).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.flatten(1).any(1).all()


@pytest.mark.parametrize("case", ROWS)
def test_evaluation_gives_the_same_bits_twice(case: Case) -> None:
    module, x = made(case), case.example()
    assert torch.equal(case.apply(module, x), case.apply(module, x))


@pytest.mark.parametrize("case", ROWS)
def test_nothing_but_memory_changes_when_a_module_runs(case: Case) -> None:
    module, x = made(case), case.example()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    example = x.clone()
    case.apply(module, x)
    assert torch.equal(x, example)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("case", ROWS)
def test_examples_of_a_batch_do_not_touch(case: Case) -> None:
    module, x = made(case), case.example()
    for kept, moved in ((slice(0, 1), slice(1, None)), (slice(1, None), slice(0, 1))):
        changed = x.clone()
        changed[moved] = other(case, x[moved])
        same, before = case.apply(module, changed)[kept], case.apply(module, x)[kept]
        torch.testing.assert_close(same, before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ROWS)
def test_float64_is_used_throughout(case: Case) -> None:
    module, x = made(case), case.example()
    expected = case.apply(module, x)
    y = case.apply(module.double(), x if case.symbols else x.double())
    assert y.dtype == (torch.float32 if case.precise else torch.float64)
    torch.testing.assert_close(y.float(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", ROWS)
def test_bfloat16_is_used_throughout(case: Case) -> None:
    y = case.apply(made(case).bfloat16(), case.example() if case.symbols else case.example().bfloat16())
    assert y.dtype == (torch.float32 if case.precise else torch.bfloat16)
    assert torch.isfinite(y).all()


@pytest.mark.parametrize("path", [nullcontext, plain_paths])
@pytest.mark.parametrize("case", ROWS)
def test_training_under_autocast_stays_near_float32(
    case: Case, path: Callable[[], AbstractContextManager[None]]
) -> None:
    module, x = made(case), case.example()
    expected = case.apply(module, x)
    with path(), torch.autocast("cpu", torch.bfloat16):
        y = case.apply(module, x)
        trained = case.apply(module.train(), x)
        if list(module.parameters()):
            trained.float().sum().backward()
    error = (y.float() - expected).square().mean().sqrt()
    assert error < 0.3 * expected.square().mean().sqrt()
    assert torch.isfinite(trained).all()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("case", CAUSAL)
def test_causal_modules_never_see_the_future(case: Case) -> None:
    module, x = made(case), case.example()
    before = case.apply(module, x)
    for position in {1, x.shape[1] // 2, x.shape[1] - 1}:
        changed = torch.cat((x[:, :position], other(case, x[:, position:])), dim=1)
        after = case.apply(module, changed)
        torch.testing.assert_close(after[:, :position], before[:, :position], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("path", [nullcontext, plain_paths])
@pytest.mark.parametrize("case", STEPWISE)
def test_step_by_step_equals_the_whole_at_once(case: Case, path: Callable[[], AbstractContextManager[None]]) -> None:
    module, x = made(case), case.example()
    with torch.no_grad(), path():
        torch.testing.assert_close(case.stepwise(module, x), case.apply(module, x), rtol=1e-4, atol=1e-5)
