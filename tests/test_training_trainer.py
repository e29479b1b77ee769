from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import SIZES, toy_config, toy_trainer, weights
from torch import Tensor

from multimodel.batch import Batch
from multimodel.build import Sizes
from multimodel.layers.paths import fused
from multimodel.loss import smoothed_cross_entropy
from multimodel.tasks.batching import collate
from multimodel.training.checkpoint import save
from multimodel.training.gradients import clip
from multimodel.training.moments import moment_tensors
from multimodel.training.precision import has_bfloat16
from multimodel.training.run_config import RunConfig
from multimodel.training.trainer import Trainer, padding

PLAIN = replace(SIZES, dropout=0.0, mixture="dense")  # the same loss each time, and no balance loss


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


def trained(trainer: Trainer, steps: int) -> list[tuple[str, float, float]]:
    reports = [trainer.step() for _ in range(steps)]
    return [(report.task, report.loss, report.gradient_norm) for report in reports]


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def resumed(config: RunConfig, stop: int, run: Path) -> tuple[Trainer, list[tuple[str, float, float]]]:
    """A trainer that was saved after `stop` steps and loaded anew, and the log so far."""
    before = toy_trainer(config)
    log = trained(before, stop)
    save(run, config, before.model, before.optimiser, before.state)
    torch.rand(5)  # whatever else drew random numbers does not matter
    return toy_trainer(config, run), log


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mixing": "adaptive"},
        {"accumulate": 2},
        {"mixing": "uniform", "decay": "noam", "weight_decay": 0.1, "seed": 3},
    ],
    ids=str,
)
def test_a_resumed_run_is_bit_equal_to_one_that_never_stopped(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = toy_config(("speech", "imageclass", "parse", "en-de"), **changes)
    straight = toy_trainer(config)
    expected = trained(straight, 11)
    trainer, log = resumed(config, 5, tmp_path)
    assert [*log, *trained(trainer, 6)] == expected
    assert_same(weights(trainer), weights(straight))
    assert_same(*(moment_tensors(each.model, each.optimiser) for each in (trainer, straight)))
    assert replace(trainer.state, seconds=0.0) == replace(straight.state, seconds=0.0)


@pytest.mark.parametrize(
    "sizes", [replace(SIZES, dropout=0.0), replace(SIZES, mixture="dense")], ids=["expert noise", "dropout"]
)
def test_what_is_random_in_training_is_on_and_depends_on_the_seed(sizes: Sizes) -> None:
    losses = []
    for changes in ({"seed": 1}, {"seed": 1}, {"seed": 2}):
        trainer = toy_trainer(toy_config(("parse",), sizes))
        trainer.settings = replace(trainer.settings, **changes)
        losses.append(trained(trainer, 2)[1][1])
    assert losses[0] == losses[1] != losses[2]


def test_the_choice_of_tasks_is_the_same_in_every_run_and_even() -> None:
    logs = [trained(toy_trainer(toy_config()), 16) for _ in range(2)]
    assert logs[0] == logs[1]
    assert set(Counter(task for task, _, _ in logs[0]).values()) == {2}


def test_a_step_moves_the_average_loss_of_its_task_alone() -> None:
    trainer = toy_trainer(toy_config(("parse", "en-de"), mixing="adaptive"))
    before = dict(trainer.state.averages)
    report = trainer.step()
    expected = 0.9 * before[report.task] + 0.1 * report.loss
    assert trainer.state.averages == before | {report.task: pytest.approx(expected)}


def test_what_only_an_absent_task_uses_stays_bit_equal() -> None:
    trainer = toy_trainer(toy_config(("speech", "imageclass", "en-de"), weight_decay=0.5))
    trained(trainer, 6)  # each task has had its turn, and has built up momentum
    before = weights(trainer)
    own = [name for name in before if name.startswith(("nets.speech.", "nets.fashion.", "nets.image."))]
    own.append("commands.to-transcript")
    moments = moment_tensors(trainer.model, trainer.optimiser)
    assert all(moments[f"exp_avg:{name}"].any() for name in own)
    trainer.mixture = replace(trainer.mixture, names=("en-de",), rates=(1.0,), examples=(24,))
    trained(trainer, 4)
    after = weights(trainer)
    assert [name for name in own if not torch.equal(before[name], after[name])] == []
    assert not torch.equal(before["commands.to-german"], after["commands.to-german"])


def test_accumulated_gradients_are_those_of_all_examples_in_one_batch() -> None:
    trainer = toy_trainer(toy_config(("en-de",), PLAIN))
    stream = trainer.streams["en-de"]
    parts = ([0, 1, 2], [3, 4, 5, 6, 7])
    loss, _ = trainer.accumulate([collate(stream.task, stream.encoded, part) for part in parts])
    accumulated = {name: value.grad.clone() for name, value in trainer.model.named_parameters()}
    whole, _ = trainer.accumulate([collate(stream.task, stream.encoded, range(8))])
    assert loss == pytest.approx(whole, rel=1e-5)
    for name, value in trainer.model.named_parameters():
        torch.testing.assert_close(accumulated[name], value.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_the_loss_is_the_mean_over_real_targets() -> None:
    trainer = toy_trainer(toy_config(("parse",), PLAIN))
    batch = trainer.streams["parse"].batch(0)
    loss, output = trainer.accumulate([batch])
    each = [
        smoothed_cross_entropy(logits[mask], targets[mask], 0.1)
        for logits, targets, mask in zip(output.logits, batch.targets, batch.target_mask, strict=True)
    ]
    assert loss == pytest.approx(torch.cat(each).mean().item(), rel=1e-5)


def test_the_balance_losses_are_trained_on() -> None:
    trainer = toy_trainer(toy_config(("en-de",), replace(SIZES, dropout=0.0)))
    batch = trainer.streams["en-de"].batch(0)
    trainer.accumulate([batch, batch])
    found = {name: value.grad.clone() for name, value in trainer.model.named_parameters() if value.grad is not None}
    torch.manual_seed(trainer.seed)
    trainer.optimiser.zero_grad()
    real = batch.target_mask
    for _ in range(2):
        output = trainer.model(batch)
        mean = smoothed_cross_entropy(output.logits[real], batch.targets[real], 0.1).mean()
        ((mean + output.balance) / 2).backward()
    noise = "encoder.experts.gate.noise"  # only the balance loss and the noise itself move it
    assert found[noise].abs().sum() > 0
    torch.testing.assert_close(found[noise], dict(trainer.model.named_parameters())[noise].grad)


def test_padding_is_the_share_of_places_that_are_not_real() -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    batch = trainer.streams["en-de"].batch(0)
    masks = (
        torch.tensor([[True, True, True, False], [True, True, True, True]]),
        torch.tensor([[True, False], [True, False]]),
    )
    targets = batch.targets[:2, :2]
    made = replace(batch, inputs=batch.inputs[:2], targets=targets, input_mask=masks[0], target_mask=masks[1])
    assert padding([made]) == pytest.approx(1 - 9 / 12)
    assert padding([made, made]) == pytest.approx(1 - 9 / 12)


def test_gradients_are_clipped_to_the_global_norm() -> None:
    trainer = toy_trainer(toy_config(("en-de",), clip=1e-3))
    trainer.accumulate([trainer.streams["en-de"].batch(0)])
    norm = clip(trainer.parameters, trainer.settings.clip)
    grads = [value.grad for value in trainer.model.parameters() if value.grad is not None]
    assert norm > 0.01
    assert torch.stack([grad.norm() for grad in grads]).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_a_step_whose_loss_is_no_number_moves_nothing_and_is_counted() -> None:
    trainer = toy_trainer(toy_config(("en-de",)))
    parameter = trainer.model.commands["to-german"]
    with torch.no_grad():
        parameter.fill_(float("inf"))
    before = weights(trainer)
    report = trainer.step()
    assert report.skipped == "its loss is nan"
    assert_same(before, weights(trainer))
    assert not trainer.optimiser.state
    assert (trainer.state.step, trainer.state.skipped, trainer.state.failing) == (1, 1, {"en-de": 1})
    assert trainer.state.positions["en-de"] == 1, "the next step has other examples"


def test_a_rehearsal_learns_nothing() -> None:
    one, other = (toy_trainer(toy_config(("parse", "en-de"))) for _ in range(2))
    assert one.rehearse("parse") > 0
    assert trained(one, 3) == trained(other, 3)


@pytest.mark.parametrize("amx", [True, False])
def test_factors_are_rounded_where_the_cpu_multiplies_bfloat16(amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": amx})
    exact, rough = (toy_trainer(toy_config(("caption", "parse"), precision=name)) for name in ("float32", "bfloat16"))
    assert (trained(exact, 4) != trained(rough, 4)) == (amx and fused(torch.zeros(1)))


@pytest.mark.parametrize("units", [True, False])
def test_a_gpu_that_only_emulates_bfloat16_multiplies_float32(units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device", lambda device: nullcontext())
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *, including_emulation: including_emulation or units)
    assert has_bfloat16(torch.device("cuda")) == units


def test_rounded_products_train_single_precision_weights() -> None:
    trainer = toy_trainer(toy_config(("caption", "parse"), precision="bfloat16"))
    log = trained(trainer, 4)
    assert all(loss == loss for _, loss, _ in log)
    assert {value.dtype for value in trainer.model.parameters()} == {torch.float32}


def fixed_losses(trainer: Trainer) -> dict[str, float]:
    """The loss of each task's first batch, without noise."""
    trainer.model.eval()

    def loss(batch: Batch) -> float:
        logits = trainer.model(batch).logits[batch.target_mask]
        return smoothed_cross_entropy(logits, batch.targets[batch.target_mask], 0.1).mean().item()

    with torch.no_grad():
        return {name: loss(stream.batch(0)) for name, stream in trainer.streams.items()}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_training_lowers_the_loss_of_every_one_of_the_eight_tasks() -> None:
    # classes wait for a good picture net, and so get more of the steps
    settings = {"steps": 220, "batch_examples": 24, "batch_cost": 4096, "learning_rate": 3e-3}
    settings["rates"] = {"imageclass": 7.0}
    trainer = toy_trainer(toy_config(sizes=replace(SIZES, dropout=0.0), **settings))
    before = fixed_losses(trainer)
    trained(trainer, 220)
    after = fixed_losses(trainer)
    assert len(after) == 8
    assert {name: loss for name, loss in after.items() if loss > 0.75 * before[name]} == {}
