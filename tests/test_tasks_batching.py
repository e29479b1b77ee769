import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import toy_tasks

from multimodel.batch import Batch
from multimodel.tasks.batching import Stream, collate, epoch_batches, evaluation_batches
from multimodel.tasks.encoded import encode_examples

VOCABULARY, TASKS = toy_tasks()
BY_NAME = {task.name: task for task in TASKS}

LENGTHS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), min_size=1, max_size=80)


def plan(lengths: list[tuple[int, int]], **changes: object) -> list[np.ndarray]:
    costs, outputs = (np.array(column) for column in zip(*lengths, strict=True))
    return epoch_batches(costs, outputs, **{"batch_cost": 200, "seed": 1, "epoch": 0, "task": "parse", **changes})


@given(LENGTHS, st.integers(0, 5), st.integers(50, 500), st.sampled_from([None, 1, 3]))
@settings(deadline=None)
def test_an_epoch_holds_every_example_once_within_the_budget(
    lengths: list[tuple[int, int]], epoch: int, budget: int, most: int | None
) -> None:
    batches = plan(lengths, epoch=epoch, batch_cost=budget, batch_examples=most)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        longest = np.array([lengths[index] for index in batch]).max(axis=0).sum()
        assert len(batch) == 1 or len(batch) * longest <= budget
        assert most is None or len(batch) <= most


def some_lengths(count: int = 3000) -> list[tuple[int, int]]:
    random = np.random.default_rng(0)
    given = random.lognormal(3, 0.6, count)
    wanted = given * random.lognormal(0.2, 0.3, count)
    return [(int(a) + 1, int(b) + 1) for a, b in zip(given, wanted, strict=True)]


def as_lists(batches: list[np.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


def test_equal_seed_and_epoch_give_equal_batches_and_others_do_not() -> None:
    lengths = some_lengths()
    first = as_lists(plan(lengths))
    assert as_lists(plan(lengths)) == first
    for change in ({"seed": 2}, {"epoch": 1}, {"task": "caption"}):
        other = as_lists(plan(lengths, **change))
        assert other != first
        assert not {frozenset(batch) for batch in other} & {frozenset(batch) for batch in first if len(batch) > 2}


def padding_share(input_costs: np.ndarray, output_lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    """The share of the batches' padded cost that is padding."""
    real = sum(int(input_costs[batch].sum() + output_lengths[batch].sum()) for batch in batches)
    padded = sum(len(batch) * int(input_costs[batch].max() + output_lengths[batch].max()) for batch in batches)
    return 1 - real / padded


def test_little_of_a_batch_is_padding() -> None:
    lengths = some_lengths(20_000)
    costs, outputs = (np.array(column) for column in zip(*lengths, strict=True))
    assert padding_share(costs, outputs, plan(lengths, batch_cost=2048)) < 0.1


def test_batches_are_not_in_order_of_length() -> None:
    lengths = np.array(some_lengths())
    longest = [lengths[batch].sum(axis=1).max() for batch in plan(some_lengths())]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.3


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_batch_holds_its_examples_and_the_tasks_route(task: object) -> None:
    encoded = encode_examples(task, "dev")
    batch = collate(task, encoded, [3, 0])
    assert (batch.task, batch.route, len(batch)) == (task.name, task.route, 2)
    assert batch.symbols == encoded.output_lengths[[3, 0]].sum()
    inputs, mask = task.input.collate([encoded.inputs[3], encoded.inputs[0]])
    assert torch.equal(batch.inputs, inputs)
    assert torch.equal(batch.input_mask, mask)
    assert batch.targets.dtype == torch.int64
    assert batch.input_mask.dtype == batch.target_mask.dtype == torch.bool
    assert not batch.targets[~batch.target_mask].any()
    for row, index in enumerate((3, 0)):
        assert batch.targets[row][batch.target_mask[row]].tolist() == encoded.outputs[index].tolist()


def test_evaluation_holds_every_example_once_shortest_first() -> None:
    encoded = encode_examples(BY_NAME["speech"], "train")
    batches = evaluation_batches(encoded, batch_cost=200)
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(len(encoded)))
    assert (np.diff(encoded.input_costs[order]) >= 0).all()
    assert len(batches) > 1


def stream(seed: int = 5) -> Stream:
    task = BY_NAME["speech"]
    return Stream(task, encode_examples(task, "train"), batch_cost=200, seed=seed)


def equal(one: Batch, other: Batch) -> bool:
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)


def test_a_stream_resumed_anywhere_goes_on_as_if_never_stopped() -> None:
    whole = stream()
    batches = [whole.batch(position) for position in range(40)]
    assert sum(len(whole.plan(epoch)) for epoch in range(3)) < 40
    for start in (0, 7, 39):
        resumed = stream()
        assert all(equal(resumed.batch(position), batches[position]) for position in range(start, 40))
    assert equal(whole.batch(2), batches[2])


def test_each_epoch_of_a_stream_holds_every_example_once() -> None:
    source = stream()
    position = 0
    for epoch in range(3):
        symbols = 0
        for _ in source.plan(epoch):
            symbols += source.batch(position).symbols
            position += 1
        assert symbols == source.encoded.output_lengths.sum()
    plans = [np.concatenate(source.plan(epoch)).tolist() for epoch in range(3)]
    assert all(sorted(plan) == list(range(len(source.encoded))) for plan in plans)
    assert plans[0] != plans[1] != plans[2]


def test_streams_of_other_seeds_differ() -> None:
    assert not all(equal(stream(5).batch(position), stream(6).batch(position)) for position in range(3))
