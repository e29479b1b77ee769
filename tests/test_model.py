"""The whole model, on one batch of every task: no look ahead, no padding, no leak between tasks, and it learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch import Tensor

from multimodel.batch import Batch
from multimodel.loss import smoothed_cross_entropy
from multimodel.model import MultiModel

TASKS = list(tiny.ROUTES)
WRITING = [task for task in TASKS if tiny.ROUTES[task].top == "text"]

PADDING = {
    "text": [(1,), (20,)],
    "image": [(1, 0), (0, 1), (16, 0), (0, 16), (21, 13), (5, 60)],
    "spectrogram": [(1,), (2,), (13,)],
    "waveform": [(1,), (2,), (31,)],
}


@pytest.fixture(scope="module")
def model() -> MultiModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return tiny.model()


def same(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def loss(model: MultiModel, batch: Batch, smoothing: float = 0.0) -> Tensor:
    output = model(batch)
    real = batch.target_mask
    return smoothed_cross_entropy(output.logits[real], batch.targets[real], smoothing).mean() + output.balance


@pytest.mark.parametrize("task", TASKS)
def test_there_is_one_row_of_logits_for_each_target(model: MultiModel, task: str) -> None:
    batch = tiny.batch(task)
    output = model(batch)
    size = tiny.CLASSES if batch.route.top == "objects" else tiny.SYMBOLS
    assert output.logits.shape == (*batch.targets.shape, size)
    assert len(output.use) == (1 if batch.route.top == "objects" else 2)
    assert output.balance.shape == ()


@pytest.mark.parametrize("task", WRITING)
def test_logits_never_depend_on_their_own_or_later_targets(model: MultiModel, task: str) -> None:
    batch = tiny.batch(task)
    before = model(batch).logits
    for position in range(batch.targets.shape[1]):
        targets = batch.targets.clone()
        targets[:, position] = (targets[:, position] + 3) % tiny.SYMBOLS
        after = model(replace(batch, targets=targets)).logits
        same(after[:, : position + 1], before[:, : position + 1])
        if position + 1 < targets.shape[1]:
            assert not torch.allclose(after[:, position + 1], before[:, position + 1], atol=1e-3)


def test_logits_of_a_class_never_depend_on_the_class(model: MultiModel) -> None:
    batch = tiny.batch("imageclass")
    other = replace(batch, targets=(batch.targets + 1) % tiny.CLASSES)
    assert torch.equal(model(batch).logits, model(other).logits)


@pytest.mark.parametrize(
    ("task", "extra"),
    [
        pytest.param(task, extra, id=f"{task}-{extra}")
        for task in TASKS[:5]
        for extra in PADDING[tiny.ROUTES[task].bottom]
    ],
)
def test_padding_changes_no_logits_and_no_balance(model: MultiModel, task: str, extra: tuple[int, ...]) -> None:
    batch = tiny.batch(task)
    writes = batch.route.top == "text"
    expected, output = model(batch), model(tiny.padded(batch, extra, 3 if writes else 0))
    same(output.logits[:, : batch.targets.shape[1]], expected.logits)
    for ours, theirs in zip(output.use, expected.use, strict=True):
        same(ours.importance, theirs.importance)
        same(ours.load, theirs.load)
    same(output.balance, expected.balance)


@pytest.mark.parametrize("task", ["imageclass", "caption"])
def test_images_of_unlike_shapes_share_a_batch_without_touching(model: MultiModel, task: str) -> None:
    tall = replace(tiny.batch(task, 1), inputs=torch.rand(1, 50, 17, 3), input_mask=torch.ones(1, 50, 17) > 0)
    wide = replace(tiny.batch(task, 1), inputs=torch.rand(1, 20, 40, 3), input_mask=torch.ones(1, 20, 40) > 0)
    both = tiny.joined(tiny.padded(tall, (0, 23)), tiny.padded(wide, (30, 0)))
    same(model(both).logits, torch.cat((model(tall).logits, model(wide).logits)))


@pytest.mark.parametrize("task", ["caption", "en-de"])
def test_the_command_says_what_is_written(model: MultiModel, task: str) -> None:
    batch = tiny.batch(task)
    written = model(batch).logits
    for command in tiny.COMMANDS:
        other = model(replace(batch, route=replace(batch.route, command=command))).logits
        assert torch.equal(other, written) == (command == batch.route.command)


def test_position_0_reads_the_command_and_the_others_the_target_before(model: MultiModel) -> None:
    embedded = torch.randn(2, 4, 16)
    shifted = model.shift(embedded, "to-german")
    same(shifted[:, 0], model.commands["to-german"].expand(2, 16))
    assert torch.equal(shifted[:, 1:], embedded[:, :-1])


@pytest.mark.parametrize("task", WRITING)
def test_symbol_by_symbol_equals_all_at_once(model: MultiModel, task: str) -> None:
    batch = tiny.batch(task, length=20)
    with torch.no_grad():
        expected = model(batch).logits
        memory = model.start(model.encode(batch), 20)
        for position in range(20):
            previous = batch.targets[:, position - 1 : position] if position else None
            same(model.step(batch.route, previous, memory, position), expected[:, position])


def test_all_tasks_together_train_every_parameter() -> None:
    model = tiny.model().train()
    for task in TASKS:
        loss(model, tiny.batch(task)).backward()
    for name, parameter in model.named_parameters():
        if name == "commands.to-class":
            continue  # a class is read from the encoder, which no command reaches
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any() or name.endswith("key.bias"), name


def snapshot(model: MultiModel) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def uses(task: str, parameter: str) -> bool:
    """Whether a step of the task may move the parameter."""
    route = tiny.ROUTES[task]
    parts = [f"nets.{route.bottom}.", f"nets.{route.top}.", "encoder."]
    if route.top != "text":
        parts = [part for part in parts if part != "nets.text."]
    else:
        parts += [f"commands.{route.command}", "mixer.", "decoder."]
    return parameter.startswith(tuple(parts))


def test_training_a_task_moves_nothing_that_it_does_not_use() -> None:
    model = tiny.model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def train(task: str) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(model, tiny.batch(task)).backward()
        optimizer.step()

    for task in TASKS:  # so that all have momentum
        train(task)
    for task in TASKS:
        before = snapshot(model)
        train(task)
        for name, parameter in model.named_parameters():
            moved = not torch.equal(parameter, before[name])
            assert moved == uses(task, name) or name.endswith("key.bias"), (task, name)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_one_batch_of_every_task_is_learned_by_heart(task: str) -> None:
    sizes = replace(tiny.SIZES, width=32, experts_used=4)
    model = tiny.build_model(sizes, tiny.NETS, tiny.COMMANDS)
    batch = tiny.padded(tiny.batch(task, 2, 4), targets=0 if task == "imageclass" else 2)
    batch.targets[0, 0] = 0 if task == "imageclass" else 2  # the examples differ
    batch.targets[1, 0] = 3
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)

    def learned() -> bool:
        with torch.no_grad():
            right = model.eval()(batch).logits.argmax(-1) == batch.targets
        return bool(right[batch.target_mask].all())

    for _ in range(40):
        if learned():
            return
        model.train()
        for _ in range(5):
            optimizer.zero_grad(set_to_none=True)
            loss(model, batch).backward()
            optimizer.step()
    pytest.fail("200 steps were not enough")


@pytest.mark.parametrize("task", TASKS[:5])
def test_training_works_in_bfloat16(task: str) -> None:
    model, batch = tiny.model(), tiny.batch(task)
    expected = model(batch).logits
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(batch).logits
        trained = loss(model.train(), batch)
    trained.backward()
    error = (logits.float() - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert error < 0.3
    assert all(parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_nets_and_commands_are_all_that_tells_tasks_apart(model: MultiModel) -> None:
    batch = tiny.batch("en-de")
    assert torch.equal(model(batch).logits, model(replace(batch, task="unheard of")).logits)


def test_targets_beyond_the_mask_are_never_read(model: MultiModel) -> None:
    batch = tiny.padded(tiny.batch("en-de"), (2,), 3)
    other = replace(batch, targets=torch.where(batch.target_mask, batch.targets, 9))
    found, expected = model(other), model(batch)
    same(found.logits, expected.logits)
    same(found.balance, expected.balance)
