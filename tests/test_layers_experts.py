"""Mixture of experts: the authors' numbers, a plain loop over positions, and what the balance loss counts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from authors import Fixture, agree, load
from torch import Tensor, nn

from multimodel.layers.experts import (
    BALANCE_WEIGHT,
    NOISE_FLOOR,
    DenseExpert,
    MixtureOfExperts,
    NoExperts,
    NoisyTopKGate,
    cv_squared,
)

EXPERT_SCALE = (64 / 32) ** -0.5  # the authors scale an expert's hidden layer; ours folds that into the output weights


def authors_mixture(fixture: Fixture) -> MixtureOfExperts:
    mixture = MixtureOfExperts(32, 4, fixture.meta["k"], 64)
    with torch.no_grad():
        mixture.gate.gate.copy_(fixture["var:moe/noisy_top_k_gating/w_gate"])
        mixture.gate.noise.copy_(fixture["var:moe/noisy_top_k_gating/w_noise"])
        for expert in range(4):
            mixture.hidden[expert] = fixture[f"var:moe/parallel_{expert}/w_0"]
            mixture.output[expert] = fixture[f"var:moe/parallel_{expert}/w_1"] * EXPERT_SCALE
    return mixture


@pytest.mark.parametrize("name", ["07_moe_eval_E4_k2", "07_moe_eval_E4_k4", "07_moe_train_E4_k2"])
def test_a_mixture_agrees_with_the_authors_code(name: str) -> None:
    fixture = load(name)
    mixture = authors_mixture(fixture)
    noise = fixture["out:noise"] if "train" in name else None
    x = fixture["in:x"].requires_grad_()
    rows = x.flatten(0, 2)
    routing = mixture.gate(rows, noise)
    y = mixture.mix(rows, routing).view_as(x)
    balance = routing.use.balance * fixture.meta["loss_coef"] / BALANCE_WEIGHT
    agree(torch.zeros(24, 4).scatter(1, routing.experts, routing.gates.detach()), fixture["out:gates"])
    agree(routing.use.importance, fixture["out:importance"])
    agree(routing.use.load, fixture["out:load"])
    agree(cv_squared(routing.use.importance), fixture["out:cv2_importance"])
    agree(cv_squared(routing.use.load), fixture["out:cv2_load"])
    agree(balance, fixture["out:loss"])
    agree(y, fixture["out:y"])
    if noise is None:
        return
    ((y * fixture["cotangent:y"]).sum() + 3 * balance).backward()
    agree(x.grad, fixture["grad:in:x"])
    agree(mixture.gate.gate.grad, fixture["grad:moe/noisy_top_k_gating/w_gate"])
    agree(mixture.gate.noise.grad, fixture["grad:moe/noisy_top_k_gating/w_noise"])
    for expert in range(4):
        agree(mixture.hidden.grad[expert], fixture[f"grad:moe/parallel_{expert}/w_0"])
        agree(mixture.output.grad[expert] * EXPERT_SCALE, fixture[f"grad:moe/parallel_{expert}/w_1"])


def mixture_of(experts: int, used: int) -> MixtureOfExperts:
    """Width 6, and a gate that sends positions to different experts."""
    mixture = MixtureOfExperts(6, experts, used, 5)
    nn.init.normal_(mixture.gate.gate)
    nn.init.normal_(mixture.gate.noise)
    return mixture


def plain_mixture(mixture: MixtureOfExperts, x: Tensor, mask: Tensor) -> Tensor:
    """Position by position: all experts' answers, the gates of the k best."""
    rows = []
    for position, real in zip(x.flatten(0, 1), mask.flatten().tolist(), strict=True):
        best, chosen = (position @ mixture.gate.gate).topk(mixture.gate.used)
        answers = [F.relu(position @ mixture.hidden[expert]) @ mixture.output[expert] for expert in chosen.tolist()]
        mixed = sum(gate * answer for gate, answer in zip(best.softmax(0), answers, strict=True))
        rows.append(position + mixed if real else position)
    return mixture.norm(torch.stack(rows).view_as(x))


@pytest.mark.parametrize(("experts", "used"), [(1, 1), (3, 1), (5, 2), (4, 4), (30, 4)])
def test_sparse_dispatch_equals_a_loop_over_positions(experts: int, used: int) -> None:
    mixture = mixture_of(experts, used).eval()
    x, mask = torch.randn(3, 7, 6, requires_grad=True), torch.rand(3, 7) > 0.3
    sparse, plain = mixture(x, mask)[0], plain_mixture(mixture, x, mask)
    torch.testing.assert_close(sparse, plain)
    inputs, cotangent = (x, mixture.gate.gate, mixture.hidden, mixture.output), torch.randn_like(plain)
    for ours, expected in zip(
        torch.autograd.grad(sparse, inputs, cotangent), torch.autograd.grad(plain, inputs, cotangent), strict=True
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_experts_without_rows_stay_still(training: bool) -> None:
    mixture = mixture_of(30, 1).train(training)
    x, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    y, (use,) = mixture(x, mask)
    y.square().sum().backward()
    idle = use.importance == 0
    assert idle.sum() >= 26
    assert not mixture.hidden.grad[idle].any()
    assert mixture.hidden.grad[~idle].flatten(1).any(1).all()


def test_a_batch_without_any_real_position_is_only_normalised() -> None:
    mixture, x = mixture_of(5, 2), torch.randn(2, 3, 6)
    y, (use,) = mixture(x, torch.zeros(2, 3, dtype=torch.bool))
    torch.testing.assert_close(y, mixture.norm(x))
    assert use.balance == 0


@pytest.mark.parametrize("training", [True, False])
def test_padding_is_neither_routed_nor_counted(training: bool) -> None:
    mixture = mixture_of(5, 2).train(training)
    x, mask = torch.randn(2, 6, 6), torch.ones(2, 6, dtype=torch.bool)
    torch.manual_seed(3)
    y, (use,) = mixture(x, mask)
    torch.manual_seed(3)
    longer, (same,) = mixture(F.pad(x, (0, 0, 0, 4), value=2.0), F.pad(mask, (0, 4)))
    torch.testing.assert_close(longer[:, :6], y)
    torch.testing.assert_close(longer[:, 6:], mixture.norm(torch.full((2, 4, 6), 2.0)))
    for ours, expected in zip(same, use, strict=True):
        torch.testing.assert_close(ours, expected)
    assert float(use.importance.sum().detach()) == pytest.approx(12)


def test_cv_squared_is_0_for_a_uniform_vector_and_n_less_1_for_a_one_hot() -> None:
    assert cv_squared(torch.full((7,), 3.0)) == 0
    torch.testing.assert_close(cv_squared(F.one_hot(torch.tensor(2), 7) * 5.0), torch.tensor(6.0))


def test_gates_are_a_softmax_over_the_k_best_and_sum_to_one() -> None:
    gate = mixture_of(6, 3).gate
    x, noise = torch.randn(50, 6), torch.randn(50, 6)
    routing = gate(x, noise)
    noisy = x @ gate.gate + noise * (F.softplus(x @ gate.noise) + NOISE_FLOOR)
    torch.testing.assert_close(routing.gates, noisy.topk(3).values.softmax(1))
    assert torch.equal(routing.experts, noisy.topk(3).indices)
    dense = torch.zeros(50, 6).scatter(1, routing.experts, routing.gates)
    torch.testing.assert_close(routing.use.importance, dense.sum(0))
    torch.testing.assert_close(routing.gates.sum(1), torch.ones(50))


@pytest.mark.parametrize("used", [1, 2])
def test_load_is_how_often_an_expert_would_be_chosen_again(used: int) -> None:
    gate = mixture_of(4, used).gate
    x, noise = torch.randn(1, 6) * 0.5, torch.randn(1, 4)
    deviation = F.softplus(x @ gate.noise) + NOISE_FLOOR
    noisy = (x @ gate.gate + noise * deviation).expand(40_000, 4)
    frequency = []
    for expert in range(4):  # draw this expert's noise again and again, keep the others'
        again = noisy.clone()
        again[:, expert] = (x @ gate.gate)[0, expert] + torch.randn(40_000) * deviation[0, expert]
        frequency.append((again.topk(used).indices == expert).any(1).double().mean())
    load = gate(x, noise).use.load
    assert float(load.detach().std()) > 0.05
    torch.testing.assert_close(load.double(), torch.stack(frequency), rtol=0, atol=0.01)


def test_the_gate_starts_without_preference_and_explores() -> None:
    mixture = MixtureOfExperts(6, 8, 2, 5)
    assert not mixture.gate.gate.any()
    assert not mixture.gate.noise.any()
    use = mixture(torch.randn(20, 20, 6), torch.ones(20, 20, dtype=torch.bool))[1][0]
    assert use.importance.min() > 0.5 * use.importance.mean()
    assert use.balance < 0.01


def test_evaluation_has_no_noise() -> None:
    mixture, x, mask = mixture_of(5, 2), torch.randn(2, 6, 6), torch.ones(2, 6, dtype=torch.bool)
    assert not torch.equal(mixture(x, mask)[0], mixture(x, mask)[0])
    mixture.eval()
    assert torch.equal(mixture(x, mask)[0], mixture(x, mask)[0])
    assert torch.isfinite(mixture(x, mask)[1][0].balance)


def test_gate_arithmetic_stays_in_float32_under_autocast() -> None:
    gate = mixture_of(5, 2).gate
    x, noise = torch.randn(100, 6), torch.randn(100, 5)
    expected = gate(x, noise)
    with torch.autocast("cpu", torch.bfloat16):
        routing = gate(x, noise)
    assert torch.equal(routing.experts, expected.experts)
    assert torch.equal(routing.gates, expected.gates)
    assert torch.equal(routing.use.load, expected.use.load)


def test_the_balance_loss_pulls_a_lopsided_gate_back() -> None:
    gate = NoisyTopKGate(6, 4, 1)
    x = torch.rand(200, 6)
    with torch.no_grad():
        gate.gate[:, 0] = 0.5
    optimizer = torch.optim.Adam(gate.parameters(), lr=0.02)
    balances = []
    for _ in range(100):
        optimizer.zero_grad()
        balance = gate(x, torch.randn(200, 4)).use.balance
        balance.backward()
        optimizer.step()
        balances.append(float(balance.detach()))
    assert sum(balances[-10:]) < 0.2 * sum(balances[:10])


def test_the_ablations_have_no_gate() -> None:
    x, mask = torch.randn(2, 3, 6), torch.ones(2, 3, dtype=torch.bool)
    dense = DenseExpert(6, 20)
    y, use = dense(x, mask)
    torch.testing.assert_close(y, dense.norm(x + F.relu(x @ dense.hidden.weight.T) @ dense.output.weight.T))
    assert use == ()
    same, nothing = NoExperts()(x, mask)
    assert same is x
    assert nothing == ()
