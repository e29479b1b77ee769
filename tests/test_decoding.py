"""Decoding: equal to the slow search that runs the whole model for every symbol, and an end to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from threading import Event
from typing import NamedTuple

import pytest
import tiny
import torch
from jaxtyping import Bool, Float, Int, Num
from threads import threads
from torch import Tensor, nn

from multimodel.batch import Batch, Net, Route
from multimodel.build import MODALITIES, build_model
from multimodel.decoding import (
    BLOCK,
    LENGTH_PENALTY,
    PADDING,
    beam,
    classes,
    continued,
    extend,
    ranked,
    reorder,
)
from multimodel.layers.paths import threads_for_steps
from multimodel.modalities.modality import Bottom, Representation, Top
from multimodel.modalities.text import Text
from multimodel.model import MultiModel

TASKS = ["speech", "speech-raw", "caption", "en-de"]


SEEDS = (5, 34, 30)  # models that rarely end and that often do


def built(seed: int) -> MultiModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tiny.model()


@pytest.fixture(scope="module")
def model() -> MultiModel:
    return built(7)


class Hypothesis(NamedTuple):
    score: float
    symbols: tuple[int, ...]
    ended: bool

    @property
    def penalised(self) -> float:
        """Wu et al. 2016, equation 14; the end counts as a symbol."""
        return self.score / ((5 + len(self.symbols)) / 6) ** LENGTH_PENALTY


@torch.no_grad()
def next_scores(model: MultiModel, batch: Batch, symbols: tuple[int, ...]) -> list[float]:
    """Log-probabilities of what follows `symbols`, from the whole model at once; padding cannot follow."""
    targets = torch.tensor([[*symbols, 2]])  # what stands at the last place is not read
    logits = model(replace(batch, targets=targets, target_mask=torch.ones_like(targets, dtype=torch.bool))).logits
    return [-torch.inf, *logits[0, len(symbols)].log_softmax(0).tolist()[1:]]


def plain_beam(model: MultiModel, batch: Batch, width: int, limit: int) -> list[Hypothesis]:
    """Beam search over one example, as it would be written on a blackboard."""
    hypotheses = [Hypothesis(0.0, (), False)]
    for _ in range(limit):
        candidates = [hypothesis for hypothesis in hypotheses if hypothesis.ended]
        for hypothesis in hypotheses:
            if not hypothesis.ended:
                for symbol, score in enumerate(next_scores(model, batch, hypothesis.symbols)):
                    candidates.append(Hypothesis(hypothesis.score + score, (*hypothesis.symbols, symbol), symbol == 1))
        hypotheses = sorted(candidates, key=lambda hypothesis: -hypothesis.score)[:width]
        if all(hypothesis.ended for hypothesis in hypotheses):
            break
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.penalised)


def without_end(symbols: tuple[int, ...]) -> list[int]:
    return [symbol for symbol in symbols if symbol != 1]


@pytest.mark.parametrize("task", TASKS)
def test_greedy_is_the_likeliest_symbol_of_the_whole_model_each_time(model: MultiModel, task: str) -> None:
    batch = tiny.batch(task, 3)
    written = beam(model, batch, 1, 8)
    for row in range(3):
        alone, symbols, total = tiny.part(batch, slice(row, row + 1)), (), 0.0
        while len(symbols) < 8 and 1 not in symbols:
            scores = next_scores(model, alone, symbols)
            symbols += (scores.index(max(scores)),)
            total += max(scores)
        assert written.symbols[row] == [without_end(symbols)]
        assert float(written.scores[row, 0]) == pytest.approx(total, abs=1e-3)


def test_greedy_search_continues_as_beams_of_one_do() -> None:
    ended, scores = torch.rand(40, 1) < 0.3, -torch.rand(40, 1)
    logits = torch.randn(40, 3 * BLOCK)
    logits[::4, PADDING] = 9.0
    symbols, beams, best = extend(logits, scores, ended)
    assert not beams.any()
    alone = continued(logits, scores, ended)
    assert torch.equal(alone[0], symbols)
    assert torch.equal(alone[1], best)


@pytest.mark.parametrize(("task", "width"), [("en-de", 2), ("en-de", 5), ("caption", 3), ("speech", 3)])
def test_beam_search_equals_a_plain_one_that_runs_the_whole_model(task: str, width: int) -> None:
    ended = set()
    for model in map(built, SEEDS):
        batch = tiny.batch(task)
        written = beam(model, batch, width, 6)
        for row in range(2):
            expected = plain_beam(model, tiny.part(batch, slice(row, row + 1)), width, 6)
            assert written.symbols[row] == [without_end(hypothesis.symbols) for hypothesis in expected]
            scores = torch.tensor([hypothesis.score for hypothesis in expected])
            torch.testing.assert_close(written.scores[row], scores, rtol=1e-3, atol=1e-3)
            ended |= {hypothesis.ended for hypothesis in expected}
    assert ended == {True, False}


def test_memory_reordered_between_two_symbols_continues_the_other_beam(model: MultiModel) -> None:
    batch = tiny.batch("en-de", 3, 20)
    rows = torch.tensor([2, 0, 0])
    with torch.no_grad():
        expected = model(replace(batch, inputs=batch.inputs[rows], targets=batch.targets[rows])).logits
        memory = model.start(model.encode(batch), 20)
        for position in range(20):
            if position == 10:
                memory = reorder(memory, rows)
                batch = replace(batch, targets=batch.targets[rows])
            previous = batch.targets[:, position - 1 : position] if position else None
            logits = model.step(batch.route, previous, memory, position)
            if position >= 10:
                torch.testing.assert_close(logits, expected[:, position], rtol=1e-4, atol=1e-4)


def test_a_wide_beam_finds_the_best_of_all_sequences() -> None:
    nets, route = {"text": Net(kind="text", size=4)}, Route(bottom="text", top="text", command="go")
    model = tiny.shaken(build_model(tiny.SIZES, nets, ["go"])).eval()
    batch = replace(tiny.batch("en-de", 1), route=route, inputs=torch.tensor([[2, 3, 2, 1, 3, 3, 2, 2, 1]]))
    possible = [(*symbols, 1) for length in range(3) for symbols in product((2, 3), repeat=length)]
    possible += list(product((2, 3), repeat=3))
    everything = []
    for symbols in possible:
        steps = [next_scores(model, batch, symbols[:length])[symbol] for length, symbol in enumerate(symbols)]
        everything.append(Hypothesis(sum(steps), symbols, symbols[-1] == 1))
    everything.sort(key=lambda hypothesis: -hypothesis.penalised)
    written = beam(model, batch, 24, 3)
    assert written.symbols[0][: len(everything)] == [without_end(hypothesis.symbols) for hypothesis in everything]
    assert torch.isinf(written.scores[0, len(everything) :]).all()


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("task", TASKS)
def test_examples_of_a_batch_are_written_as_if_alone(model: MultiModel, task: str, width: int) -> None:
    axes = 2 if task == "caption" else 1
    first, second = tiny.batch(task, 1), tiny.batch(task, 1)
    both = tiny.joined(tiny.padded(first, (17, 20)[:axes]), tiny.padded(second, (17, 20)[:axes]))
    longer = tiny.joined(both, tiny.padded(first, (17, 20)[:axes]))
    together = beam(model, longer, width, 10)
    for row, alone in enumerate((first, second, first)):
        expected = beam(model, alone, width, 10)
        assert together.symbols[row] == expected.symbols[0]
        torch.testing.assert_close(together.scores[row], expected.scores[0], rtol=1e-3, atol=1e-3)


class Parrot(nn.Module, Bottom, Top):
    """Writes the same symbol at every position, however its input looks."""

    autoregressive = True

    def __init__(self, width: int, symbol: int) -> None:
        super().__init__()
        self.text = Text(tiny.SYMBOLS, width)
        self.symbol = symbol

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        return self.text.bottom(inputs, mask)

    def embed(self, targets: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        return self.text.embed(targets, mask)

    def top(self, body: Representation) -> Float[Tensor, "b t v"]:
        logits = torch.zeros(*body.x.shape[:2], tiny.SYMBOLS)
        logits[:, :, self.symbol] = 9.0
        return logits


def parrot(symbol: int) -> MultiModel:
    modalities = {**MODALITIES, "parrot": lambda sizes, size: Parrot(sizes.width, symbol)}
    return build_model(tiny.SIZES, {"text": Net(kind="parrot", size=1)}, tiny.COMMANDS, modalities).eval()


def steps_of(model: MultiModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions at which the model is asked for a symbol."""
    asked: list[int] = []
    step = model.step

    def counted(*arguments: object) -> Tensor:
        asked.append(arguments[3])
        return step(*arguments)

    monkeypatch.setattr(model, "step", counted)
    return asked


def test_writing_stops_where_all_examples_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    model = parrot(1)
    asked = steps_of(model, monkeypatch)
    assert beam(model, tiny.batch("en-de", 3), 1).symbols == [[[]]] * 3
    assert asked == [0]


def test_writing_stops_at_the_callers_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = parrot(4)
    asked = steps_of(model, monkeypatch)
    assert beam(model, tiny.batch("en-de"), 1, 5).symbols == [[[4] * 5]] * 2
    assert asked == list(range(5))


def test_nothing_is_written_where_nothing_may_be(model: MultiModel) -> None:
    assert beam(model, tiny.batch("en-de"), 3, limit=0).symbols == [[[]] * 3] * 2


def test_a_source_without_any_real_position_changes_no_other(model: MultiModel) -> None:
    batch = tiny.batch("en-de", 2)
    mask = batch.input_mask.clone()
    mask[1] = False
    written = beam(model, replace(batch, input_mask=mask), 2)
    assert written.scores.isfinite().all()
    assert written.symbols[0] == beam(model, tiny.part(batch, slice(0, 1)), 2).symbols[0]


def test_searches_side_by_side_leave_the_number_of_threads_alone() -> None:
    row, inside, go_on = torch.zeros(1), Event(), Event()

    def first() -> None:
        with torch.no_grad(), threads_for_steps(row):
            inside.set()
            go_on.wait(20)

    def second() -> int:
        with torch.no_grad(), threads_for_steps(row):
            assert torch.get_num_threads() == 1
        return torch.get_num_threads()

    with threads(2), ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(first)
        assert inside.wait(20)
        assert pool.submit(second).result(20) == 2
        go_on.set()
        waiting.result(20)
    assert torch.get_num_threads() == 1


def test_every_example_has_a_limit_by_its_own_length() -> None:
    short, long = tiny.batch("en-de", 1), tiny.batch("en-de", 1)
    short = replace(short, inputs=short.inputs[:, :2], input_mask=short.input_mask[:, :2])
    written = beam(parrot(4), tiny.joined(tiny.padded(short, (7,)), long), 1)
    assert [len(symbols[0]) for symbols in written.symbols] == [38, 59]
    assert beam(parrot(4), short, 1).symbols[0] == written.symbols[0]


@pytest.mark.parametrize(("limit", "least", "expected"), [(70, 70, 70), (70, 65, 65), (70, 40, 59), (50, 70, 50)])
def test_an_answer_may_have_as_many_symbols_as_the_caller_says(limit: int, least: int, expected: int) -> None:
    (((written,),), _) = beam(parrot(4), tiny.batch("en-de", 1), 1, limit, least)
    assert len(written) == expected


def test_no_answer_is_longer_than_the_most_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multimodel.decoding.MOST_SYMBOLS", 12)
    assert len(beam(parrot(4), tiny.batch("en-de", 1), 1, 500, 500).symbols[0][0]) == 12


def test_a_longer_hypothesis_may_come_before_a_likelier_shorter_one() -> None:
    written = torch.tensor([[[2, 1, 0, 0], [2, 3, 2, 1]], [[2, 1, 0, 0], [2, 3, 2, 1]]])
    ordered = ranked(written, torch.tensor([[-1.0, -1.1], [-1.0, -1.2]]))  # penalised: −0.91, −0.86 and −0.91, −0.94
    assert ordered.symbols == [[[2, 3, 2], [2]], [[2], [2, 3, 2]]]
    torch.testing.assert_close(ordered.scores, torch.tensor([[-1.1, -1.0], [-1.0, -1.2]]))


@pytest.mark.parametrize("width", [1, 3])
def test_padding_is_never_written(width: int) -> None:
    found = beam(parrot(PADDING), tiny.batch("en-de", 1), width, 6)
    assert found.scores.max() < -8  # of any other symbol; padding would cost nothing


def test_classes_come_likeliest_first_with_their_probabilities(model: MultiModel) -> None:
    batch = tiny.batch("imageclass", 3)
    order, chances = classes(model, batch)
    with torch.no_grad():
        expected = model(batch).logits[:, 0].softmax(1)
    torch.testing.assert_close(chances, expected.gather(1, order))
    assert (chances.diff(dim=1) <= 0).all()
    assert torch.equal(order[:, 0], expected.argmax(1))
    assert torch.equal(order.sort(dim=1).values, torch.arange(tiny.CLASSES).expand(3, -1))
