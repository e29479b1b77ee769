from collections import Counter
from math import exp

import pytest
from toy import toy_tasks

from multimodel.errors import InputError
from multimodel.tasks.batching import Stream
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.mixture import RULES, Mixture, describe, first_averages, in_turn, updated_averages

NAMES = ("speech", "caption", "parse")
STEPS = 4000


def mixture(rule: str, **changes: object) -> Mixture:
    values = {"names": NAMES, "rates": (1.0, 1.0, 1.0), "examples": (100, 400, 1600), "seed": 3}
    return Mixture(rule=rule, **{**values, **changes})


AVERAGES = {"speech": 4.0, "caption": 3.0, "parse": 2.0}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rates", [(1.0, 1.0, 1.0), (0.5, 3.0, 1.0)])
def test_shares_come_true_over_many_steps(rule: str, rates: tuple[float, ...]) -> None:
    mixed = mixture(rule, rates=rates)
    counts = Counter(mixed.choose(step, AVERAGES) for step in range(STEPS))
    weights = {
        "round-robin": rates,
        "uniform": rates,
        "proportional": [rate * examples for rate, examples in zip(rates, mixed.examples, strict=True)],
        "adaptive": [exp(average) for average in AVERAGES.values()],
    }[rule]
    shares = {name: weight / sum(weights) for name, weight in zip(NAMES, weights, strict=True)}
    assert mixed.shares(AVERAGES) == pytest.approx(shares)
    for name in NAMES:
        assert counts[name] / STEPS == pytest.approx(shares[name], abs=0.03)


@pytest.mark.parametrize("rule", RULES)
def test_the_choice_depends_on_seed_and_step_alone(rule: str) -> None:
    forwards = [mixture(rule).choose(step, AVERAGES) for step in range(200)]
    one = mixture(rule)
    backwards = [one.choose(step, AVERAGES) for step in reversed(range(200))]
    assert backwards[::-1] == forwards
    others = [mixture(rule, seed=4).choose(step, AVERAGES) for step in range(200)]
    assert (others == forwards) == (rule == "round-robin")


def test_round_robin_takes_turns() -> None:
    mixed = mixture("round-robin")
    assert [mixed.choose(step) for step in range(7)] == [*NAMES, *NAMES, NAMES[0]]
    assert mixed.choose(3 * 10**6) == NAMES[0]


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 5), (0.3, 7.0, 0.01, 1.0)])
def test_turns_are_never_far_from_their_share(weights: tuple[float, ...]) -> None:
    shares = [weight / sum(weights) for weight in weights]
    counts = [0] * len(shares)
    for step in range(2000):
        counts[in_turn(step, shares)] += 1
        for count, share in zip(counts, shares, strict=True):
            assert abs(count - share * (step + 1)) <= len(shares) / 2


def test_proportional_follows_examples_temperature_cap_and_rate() -> None:
    def shares(**changes: object) -> list[float]:
        return list(mixture("proportional", **changes).shares().values())

    assert shares() == pytest.approx([100 / 2100, 400 / 2100, 1600 / 2100])
    assert shares(temperature=2.0) == pytest.approx([10 / 70, 20 / 70, 40 / 70])
    assert shares(cap=400) == pytest.approx([100 / 900, 400 / 900, 400 / 900])
    assert shares(rates=(4.0, 1.0, 1.0)) == pytest.approx([400 / 2400, 400 / 2400, 1600 / 2400])


def test_adaptive_shares_are_the_softmax_of_the_average_losses() -> None:
    total = exp(4) + exp(3) + exp(2)
    assert list(mixture("adaptive").shares(AVERAGES).values()) == pytest.approx([exp(n) / total for n in (4, 3, 2)])
    assert list(mixture("adaptive").shares().values()) == pytest.approx([1 / 3] * 3)


def test_averages_begin_at_one_hundred_and_forget_a_tenth_a_step() -> None:
    averages = updated_averages(first_averages(NAMES), "caption", 10.0)
    assert averages == pytest.approx({"speech": 100, "caption": 91, "parse": 100})


def test_an_adaptive_mixture_tries_every_task_early() -> None:
    mixed, averages = mixture("adaptive"), first_averages(NAMES)
    first = []
    for step in range(3):
        first.append(mixed.choose(step, averages))
        averages = updated_averages(averages, first[-1], 5.0)
    assert sorted(first) == sorted(NAMES)


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "lottery"},
        {"rates": (1.0, 1.0)},
        {"rates": (1.0, 0.0, 1.0)},
        {"temperature": 0.0},
        {"cap": 0},
        {"names": (), "rates": (), "examples": ()},
    ],
)
def test_impossible_mixtures_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        mixture(**{"rule": "uniform", **change})


def test_the_table_tells_what_a_run_will_do() -> None:
    _, tasks = toy_tasks()
    streams = {task.name: Stream(task, encode_examples(task, "train"), batch_cost=400, seed=0) for task in tasks}
    mixed = Mixture(names=tuple(streams), rates=(1.0,) * 8, examples=(24,) * 8, rule="round-robin")
    rows = {row.task: row for row in describe(mixed, streams, steps=800)}
    assert list(rows) == list(streams)
    speech, encoded = rows["speech"], streams["speech"].encoded
    batches = len(streams["speech"].plan(0))
    assert (speech.examples, speech.too_long, speech.symbols) == (24, 0, encoded.output_lengths.sum())
    assert speech.share == pytest.approx(1 / 8)
    assert speech.epochs == pytest.approx(100 / batches)
    assert (speech.longest_input, speech.longest_output) == (encoded.input_costs.max(), encoded.output_lengths.max())
