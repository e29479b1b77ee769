"""Parts of a report by themselves: experts, curves, trees, media."""

import numpy as np
import pytest
from reported import step
from toy import png, tone, wav

from multimodel.evaluation.evaluate import Sample
from multimodel.layers.experts import effective_experts
from multimodel.metrics import PRIMARY
from multimodel.report.expert_use import LayerUse, grouped, pairs
from multimodel.report.experts import in_words
from multimodel.report.line_chart import round_ticks, spread
from multimodel.report.media import audio_type, picture, recording
from multimodel.report.samples import tree_answer
from multimodel.report.scores import FULL_NAMES
from multimodel.report.series import running_mean, share_lines, speed_line, throughputs
from multimodel.report.tree_picture import can_be_drawn
from multimodel.trees import from_symbols, read_tree


def test_the_distance_of_two_tasks_is_the_total_variation() -> None:
    shares = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5], [0.25, 0.75, 0.0, 0.0]])
    use = LayerUse(layer="encoder", tasks=("a", "b", "c"), shares=shares)
    found = {(pair.first, pair.second): pair.distance for pair in pairs(use)}
    assert found == pytest.approx({("a", "c"): 0.25, ("a", "b"): 1.0, ("b", "c"): 1.0})
    assert "most alike in their experts are a and c (0.25), the most different" in in_words(use)
    assert "differ by 0.75 on average" in in_words(use)


def test_experts_in_use_are_counted_by_entropy() -> None:
    assert effective_experts(np.full(8, 1 / 8)) == pytest.approx(8)
    assert effective_experts(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)


def test_experts_are_grouped_by_the_task_that_uses_them_most() -> None:
    assert grouped(np.array([[0.1, 0.6, 0.0, 0.3], [0.5, 0.1, 0.4, 0.0]])).tolist() == [1, 3, 0, 2]


def test_a_smoothed_curve_equals_the_slow_mean() -> None:
    rng = np.random.default_rng(0)
    reports = [step(n, "a", loss=float(rng.random()), symbols=int(rng.integers(1, 9))) for n in range(1, 101)]
    line = running_mean("a", reports, lambda report: report.loss, lambda report: report.symbols, 7)
    for x, y in zip(line.xs, line.ys, strict=True):
        window = reports[max(0, int(x) - 7) : int(x)]
        symbols = sum(report.symbols for report in window)
        assert y == pytest.approx(sum(report.loss * report.symbols for report in window) / symbols)
    assert (line.xs[0], line.xs[-1]) == (1, 100)


def test_throughput_is_all_symbols_by_all_time() -> None:
    reports = [step(1, "a", seconds=1.0, symbols=10), step(2, "b", seconds=3.0, symbols=50, waiting=0.3)]
    one, other, every = throughputs(reports, ["a", "b", "never"])
    assert (one.speed, every.speed, every.steps) == (10, 15, 2)
    assert (other.time_share, other.waiting) == (0.75, pytest.approx(0.1))


def test_processes_with_tasks_of_their_own_share_the_time_of_a_step() -> None:
    one, other = step(1, "a", seconds=1.0, symbols=10), step(1, "b", rank=1, seconds=1.0, symbols=50, padding=0.75)
    reports = [one, other, step(2, "a", seconds=3.0, symbols=10), step(2, "a", rank=1, seconds=3.0, symbols=30)]
    first, second, every = throughputs(reports, ["a", "b"])
    assert (every.steps, every.seconds, every.symbols, every.time_share) == (2, 4, 100, 1)
    assert (first.steps, first.seconds, first.symbols, first.speed) == (2, 4, 50, 12.5)
    assert (second.steps, second.time_share, second.speed) == (1, 0.25, 50)
    line = speed_line(reports)
    assert (line.xs, line.ys) == ((1, 2), (60, 25))
    padding, waiting = share_lines(reports)
    assert padding.ys == (0.5, 0.375)
    assert waiting.ys == pytest.approx((0.1, 0.05))


def test_names_at_curves_keep_their_order_and_their_distance() -> None:
    places = [50.0, 10.0, 52.0, 51.0, 98.0, 99.0]
    moved = spread(places, 10.0, 0.0, 100.0)
    ordered = sorted(moved)
    assert np.argsort(moved).tolist() == np.argsort(places).tolist()
    assert min(np.diff(ordered)) >= 10
    assert (ordered[0] >= 0, ordered[-1] <= 100) == (True, True)
    assert spread([20.0, 60.0], 10.0, 0.0, 100.0) == [20.0, 60.0]


@pytest.mark.parametrize("high", [0.003, 0.9, 1.0, 7.3, 44.0, 12_345.0])
def test_ticks_are_few_and_cover_the_values(high: float) -> None:
    ticks = round_ticks(0.0, high, 5)
    assert ticks[0] == 0
    assert 3 <= len(ticks) <= 8
    assert ticks[-1] >= high * 0.85


def test_constituents_of_an_answer_are_marked_right_or_wrong() -> None:
    reference = "(S (NP (DT the) (NN dog)) (VP (VBZ barks)))"
    shown = tree_answer(Sample(id="1", row=0, output=reference, answer="(S (NP (DT the)) (VP (NN dog) (VBZ barks)))"))
    assert shown.count("label right") == 1
    assert shown.count("label wrong") == 2
    perfect = tree_answer(Sample(id="1", row=0, output=reference, answer=reference))
    assert perfect.count("label right") == 3


def test_a_tree_without_end_is_written_instead_of_drawn() -> None:
    deep = from_symbols(["(S"] * 2000 + ["NN"], ["word"])
    assert not can_be_drawn(deep)
    assert can_be_drawn(read_tree("(S (NP (DT the) (NN dog)))"))
    long = "(S " + " ".join(["(NN word)"] * 500) + ")"
    shown = tree_answer(Sample(id="1", row=0, output=long, answer="no tree at all"))
    assert "<svg" not in shown
    assert "no tree at all" in shown
    shown = tree_answer(Sample(id="1", row=0, output="(S (NN a))", answer="(S (NP) (NN a))"))
    assert (shown.count("<svg"), "(S (NP) (NN a))" in shown) == (1, True)


def test_large_or_broken_files_are_not_carried_along() -> None:
    assert "left out" in recording(bytes(200_000), "a recording")
    assert "left out" in picture(bytes(200_000), "a picture")
    assert "cannot be read" in picture(b"no picture", "a picture")
    large = picture(png(np.zeros((200, 300, 3), dtype=np.uint8)), "a picture")
    assert 'width="300"' in large
    assert "pixels" not in large


def test_recordings_are_told_apart_by_their_first_bytes() -> None:
    assert audio_type(wav(tone(440))) == "audio/wav"
    assert audio_type(b"fLaC....") == "audio/flac"
    assert audio_type(b"OggS....") == "audio/ogg"
    assert audio_type(b"\xff\xe3 \xc4") == "audio/mpeg"  # MP3 without a header


def test_every_headline_measure_is_explained() -> None:
    assert {name for name, _ in PRIMARY.values()} == set(FULL_NAMES)
