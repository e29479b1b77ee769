from dataclasses import replace

import pytest

from multimodel.errors import InputError
from multimodel.training.schedule import learning_rate, progress
from multimodel.training.settings import TrainingSettings

SETTINGS = TrainingSettings(steps=100, warm_up=10, learning_rate=2.0)


def test_the_rate_climbs_in_a_line_and_is_whole_at_the_last_step_of_the_warm_up() -> None:
    constant = replace(SETTINGS, decay="none")
    assert [learning_rate(constant, step, 0.0) for step in (0, 4, 9, 10, 99)] == pytest.approx(
        [0.2, 1.0, 2.0, 2.0, 2.0]
    )


def test_cosine_falls_to_nothing_at_the_end_of_the_budget() -> None:
    rates = [learning_rate(SETTINGS, 50, part) for part in (0.0, 0.25, 0.5, 0.75, 1.0, 1.2)]
    assert rates == pytest.approx([2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5, 0, 0])


def test_noam_peaks_after_the_warm_up_and_falls_with_the_root_of_the_steps() -> None:
    noam = replace(SETTINGS, decay="noam")
    assert [learning_rate(noam, step, 0.5) for step in (4, 9, 39, 159)] == pytest.approx([1.0, 2.0, 1.0, 0.5])


def test_without_a_warm_up_the_first_step_has_the_whole_rate() -> None:
    assert learning_rate(replace(SETTINGS, warm_up=0, decay="noam"), 0, 0.0) == 2.0


def test_the_budget_that_is_used_up_first_counts() -> None:
    both = replace(SETTINGS, minutes=2.0)
    assert progress(both, 25, 0.0) == 0.25
    assert progress(both, 25, 60.0) == 0.5
    assert progress(replace(SETTINGS, steps=None, minutes=2.0), 10**6, 30.0) == 0.25
    assert progress(SETTINGS, 100, 0.0) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", -5),
        ("minutes", -1.0),
        ("seed", -1),
        ("batch_cost", 0),
        ("accumulate", 0),
        ("keep", 0),
        ("checkpoint_steps", 0),
        ("threads", 0),
        ("learning_rate", float("nan")),
        ("clip", 0.0),
        ("label_smoothing", 1.0),
        ("beta2", 1.0),
        ("weight_decay", -0.1),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} is {value} and must be"):
        replace(SETTINGS, **{name: value})
