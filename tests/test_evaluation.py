import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from runs import SIZES, toy_config, toy_trainer

from multimodel.batch import Batch
from multimodel.errors import InputError
from multimodel.evaluation import evaluate as evaluation
from multimodel.evaluation.before_after import before_after_table
from multimodel.evaluation.evaluate import EvaluationSettings, TaskEvaluation, evaluate, write_evaluation
from multimodel.evaluation.score import EVALUATION_COST, Scored, gap, score
from multimodel.evaluation.table import COLUMNS, evaluation_table, markdown_table, number, samples_table
from multimodel.layers.attention import AverageSource
from multimodel.metrics import PRIMARY
from multimodel.model import MultiModel
from multimodel.prediction import Answer
from multimodel.tasks.batching import collate
from multimodel.tasks.encoded import encode_examples, shuffled_inputs
from multimodel.tasks.task import Task

CONFIG = toy_config()
TASKS: dict[str, Task] = {task.name: task for task in CONFIG.tasks}
FEW = EvaluationSettings(examples=5, decode=3)


@pytest.fixture(scope="module")
def model() -> MultiModel:
    torch.manual_seed(2)
    return CONFIG.build().eval()


@pytest.fixture(scope="module")
def evaluations(model: MultiModel) -> list[TaskEvaluation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multimodel.decoding.MOST_SYMBOLS", 20)
        return evaluate(model, list(TASKS.values()), FEW).found


def blind_model() -> MultiModel:
    """Attention is an average of the source, times zero: the decoder cannot see its input."""
    model = toy_config(sizes=replace(SIZES, cross_attention="average")).build().eval()
    averages = [module for module in model.modules() if type(module) is AverageSource]
    assert averages
    with torch.no_grad():
        for average in averages:
            for parameter in average.parameters():
                parameter.zero_()
    return model


@pytest.mark.parametrize("name", TASKS)
def test_log_perplexity_and_accuracy_are_those_of_a_plain_loop(model: MultiModel, name: str) -> None:
    task = TASKS[name]
    encoded = encode_examples(task, "test")
    nats, right, symbols = np.zeros(len(encoded)), 0, 0
    with torch.no_grad():
        for place in range(len(encoded)):
            batch = collate(task, encoded, [place])
            chances = model(batch).logits[0].log_softmax(-1)
            for chance, target in zip(chances, batch.targets[0].tolist(), strict=True):
                nats[place] -= chance[target].item()
                right += int(chance.argmax() == target)
                symbols += 1
    scored = score(model, task, encoded)
    np.testing.assert_allclose(scored.nats, nats, rtol=1e-4)
    assert scored.total.log_perplexity == pytest.approx(nats.sum() / symbols, rel=1e-4)
    assert scored.total.accuracy == pytest.approx(right / symbols)
    assert scored.total.symbols == symbols


def test_scores_stand_at_the_places_of_their_examples(model: MultiModel, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["parse"]
    encoded = encode_examples(task, "train")
    whole = score(model, task, encoded)
    monkeypatch.setattr("multimodel.evaluation.score.EVALUATION_COST", EVALUATION_COST // 100)
    small = score(model, task, encoded)
    np.testing.assert_allclose(small.nats, whole.nats, rtol=1e-4)
    np.testing.assert_allclose(np.stack(small.importance), np.stack(whole.importance), rtol=1e-3, atol=1e-3)
    assert whole.symbols.tolist() == encoded.output_lengths.tolist()


def test_scoring_switches_the_noise_off(model: MultiModel) -> None:
    encoded = encode_examples(TASKS["en-de"], "dev")
    model.train()
    first, second = (score(model, TASKS["en-de"], encoded).nats for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_experts_shares_add_up_to_one_in_each_layer(evaluations: list[TaskEvaluation]) -> None:
    for found in evaluations:
        layers = found.teacher_forced.experts
        assert len(layers) == (1 if found.task == "imageclass" else 2)  # classes are read from the encoder
        assert all(len(shares) == SIZES.experts and sum(shares) == pytest.approx(1) for shares in layers)


@pytest.mark.parametrize("name", ["speech", "caption", "parse", "en-de"])
def test_a_model_that_ignores_its_input_has_no_gap_and_has_not_learned(name: str) -> None:
    task, model = TASKS[name], blind_model()
    encoded = encode_examples(task, "train")
    true, shuffled = score(model, task, encoded), score(model, task, shuffled_inputs(encoded, seed=0))
    forced = evaluation.teacher_forced(true, shuffled, unigram=99.0)
    assert forced.gap == pytest.approx(0, abs=1e-5)
    assert not forced.learned


def scored(nats: Sequence[float] | np.ndarray, symbols: Sequence[float] | np.ndarray) -> Scored:
    nats, symbols = np.asarray(nats, dtype=np.float64), np.asarray(symbols, dtype=np.float64)
    return Scored(nats=nats, right=np.zeros(len(nats)), symbols=symbols, importance=())


@pytest.mark.parametrize(
    ("saved", "unigram", "learned"),
    [
        ([0.5, 0.6, 0.4, 0.5], 1.5, True),
        ([0.5, 0.6, 0.4, 0.5], 0.9, False),  # no better than the symbols' frequencies
        ([0.01, 0.011, 0.012, 0.01], 1.5, False),  # certain, but next to nothing
        ([3.0, -2.0, 2.5, -1.5], 1.5, False),  # large, but only by chance
        ([-0.5, -0.6, -0.4, -0.5], 1.5, False),
    ],
)
def test_learned_needs_a_gap_that_is_large_and_certain_and_to_beat_frequencies(
    saved: list[float], unigram: float, learned: bool
) -> None:
    true, shuffled = scored([1.0] * 4, [1.0] * 4), scored([1 + each for each in saved], [1.0] * 4)
    forced = evaluation.teacher_forced(true, shuffled, unigram)
    assert forced.learned is learned
    assert forced.gap == pytest.approx(sum(saved) / 4)


def test_the_gaps_standard_error_is_that_of_a_bootstrap() -> None:
    random = np.random.default_rng(5)
    symbols = random.integers(2, 40, 300).astype(np.float64)
    true = random.gamma(2.0, 1.0, 300) * symbols
    shuffled = true + random.normal(1.0, 0.3, 300) * symbols  # long examples save more: a ratio, not a mean
    mean, error = gap(scored(true, symbols), scored(shuffled, symbols))
    draws = random.integers(0, 300, (4000, 300))
    bootstrap = (shuffled - true)[draws].sum(1) / symbols[draws].sum(1)
    assert mean == pytest.approx(bootstrap.mean(), abs=0.2 * error)
    assert error == pytest.approx(bootstrap.std(), rel=0.1)


@pytest.mark.parametrize("name", TASKS)
def test_each_example_gets_its_own_answer(model: MultiModel, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    task = TASKS[name]

    def perfect(model: MultiModel, task: Task, batch: Batch, raws: Sequence[Any], *, beams: int) -> list[Answer]:
        written = [task.output.decode(row) for row in batch.targets.tolist()]
        return [Answer(str(text), ()) for text in written]

    monkeypatch.setattr(evaluation, "batch_answers", perfect)
    monkeypatch.setattr(evaluation, "MOST_AT_ONCE", 3)
    encoded = encode_examples(task, "train")
    examples = task.examples["train"]
    found = evaluation.decode(model, task, encoded, examples, 1)
    assert [answer.text for answer in found] == [str(task.output.decode(row.tolist())) for row in encoded.outputs]


def test_trees_are_written_over_the_words_of_their_own_example(
    model: MultiModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimodel.decoding.MOST_SYMBOLS", 20)
    task = TASKS["parse"]
    encoded = encode_examples(task, "test")
    for answer, example in zip(
        evaluation.decode(model, task, encoded, task.examples["test"], 1), task.examples["test"], strict=True
    ):
        assert [word.rstrip(")") for word in answer.text.split() if not word.startswith("(")] == example.input.split()


@pytest.mark.parametrize("name", TASKS)
def test_an_evaluation_is_complete_and_finite(evaluations: list[TaskEvaluation], name: str) -> None:
    found = next(each for each in evaluations if each.task == name)
    assert (found.examples, found.decoded, found.left_out, len(found.samples)) == (5, 3, 0, 3)
    values = [*found.baselines.values(), *found.measures.values(), *found.shuffled_measures.values()]
    assert PRIMARY[found.measure][0] in found.measures
    assert found.measures.keys() == found.shuffled_measures.keys()
    assert np.isfinite([*values, *found.baseline_measures.values()]).all()
    assert "unigram_log_perplexity" in found.baselines
    assert bool(found.baseline_measures) == (found.measure in ("class", "tree"))
    for sample in found.samples:
        example = TASKS[name].examples["test"][sample.row]
        assert (sample.id, sample.output) == (example.id, example.output)


def test_evaluating_again_gives_the_same_numbers(model: MultiModel, evaluations: list[TaskEvaluation]) -> None:
    again = evaluate(model, [TASKS["imageclass"]], FEW).found[0]
    before = next(each for each in evaluations if each.task == "imageclass")
    assert replace(again, seconds=0.0) == replace(before, seconds=0.0)


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_the_file_is_valid_json_and_holds_everything(tmp_path: Path, evaluations: list[TaskEvaluation]) -> None:
    path = tmp_path / "evaluation.json"
    write_evaluation(path, evaluations, {"preset": "tiny"})
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)
    assert content["about"] == {"preset": "tiny"}
    assert content["tasks"] == json.loads(json.dumps([asdict(each) for each in evaluations]))
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


def test_numbers_that_are_none_never_reach_the_file(tmp_path: Path, evaluations: list[TaskEvaluation]) -> None:
    path = tmp_path / "evaluation.json"
    write_evaluation(path, evaluations[:1], {})
    with pytest.raises(ValueError, match="JSON"):
        write_evaluation(path, [replace(evaluations[0], seconds=float("nan"))], {})
    assert json.loads(path.read_text(encoding="utf-8"))["tasks"]


def test_the_tables_show_every_task(evaluations: list[TaskEvaluation]) -> None:
    file = io.StringIO()
    console = Console(file=file, width=240)
    console.print(evaluation_table(evaluations))
    console.print(samples_table(evaluations))
    shown = file.getvalue()
    for found in evaluations:
        assert shown.count(f" {found.task} ") >= 2
        assert f"{found.teacher_forced.log_perplexity:.2f}" in shown
        assert found.samples[0].output in shown
    assert "not yet" in shown


def test_the_markdown_table_is_as_wide_as_its_head(evaluations: list[TaskEvaluation]) -> None:
    lines = markdown_table(evaluations).splitlines()
    assert len(lines) == 2 + len(evaluations)
    assert {line.count("|") for line in lines} == {len(COLUMNS) + 1}
    assert lines[1].startswith("| --- | ---: |")


def test_numbers_have_about_three_digits() -> None:
    assert [number(value) for value in (None, 0.0, 0.12345, 9.999, 12.345, 100.0)] == [
        "–",
        "0.000",
        "0.123",
        "10.00",
        "12.3",
        "100.0",
    ]


def test_places_are_spread_evenly() -> None:
    assert evaluation.evenly(5, None).tolist() == [0, 1, 2, 3, 4]
    assert evaluation.evenly(3, 7).tolist() == [0, 1, 2]
    assert evaluation.evenly(101, 3).tolist() == [0, 50, 100]


@pytest.mark.parametrize(("name", "value"), [("examples", 1), ("decode", 0), ("beams", 0), ("beams", -2)])
def test_settings_that_cannot_work_are_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=rf"Of {name} there must be at least \d, not {value}"):
        EvaluationSettings(**{name: value})


def test_a_split_that_does_not_exist_is_refused(model: MultiModel) -> None:
    with pytest.raises(InputError, match="no tset examples"):
        evaluate(model, [TASKS["en-de"]], EvaluationSettings(split="tset")).check(asked=False)


def test_a_task_that_cannot_be_scored_is_named_and_costs_the_others_nothing(
    model: MultiModel, capsys: pytest.CaptureFixture[str]
) -> None:
    one = replace(TASKS["caption"], examples={name: few[:1] for name, few in TASKS["caption"].examples.items()})
    scores = evaluate(model, [TASKS["imageclass"], one], FEW)
    assert [found.task for found in scores.found] == ["imageclass"]
    scores.check(asked=False)
    assert capsys.readouterr().err.startswith("not scored: Task caption has one test example that can be used")
    with pytest.raises(InputError, match="hold out more of its rows"):
        scores.check(asked=True)


def test_examples_that_are_too_long_at_the_front_reject_no_task(model: MultiModel) -> None:
    task = TASKS["en-de"]
    long = [example._replace(input="fox " * 99) for example in task.examples["test"][:3]]
    changed = replace(task, examples={**task.examples, "test": [*long, *task.examples["test"][3:]]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multimodel.decoding.MOST_SYMBOLS", 20)
        (found,) = evaluate(model, [changed], replace(FEW, examples=8)).found
    assert (found.examples, found.left_out) == (5, 3)


def test_letters_that_mean_something_to_a_terminal_are_printed(evaluations: list[TaskEvaluation]) -> None:
    sample = replace(evaluations[0].samples[0], id="a[/b].jpg")
    odd = replace(evaluations[0], task="t[/i]", samples=(sample,))
    file = io.StringIO()
    for table in (samples_table([odd]), evaluation_table([odd]), before_after_table([odd], [odd])):
        Console(file=file, width=240).print(table)
    assert "a[/b].jpg" in file.getvalue()
    assert file.getvalue().count("t[/i]") == 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_was_learned_by_heart_counts_as_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = {"steps": 40, "batch_examples": 24, "batch_cost": 4096, "learning_rate": 1e-2}
    trainer = toy_trainer(toy_config(("en-de",), replace(SIZES, dropout=0.0), **settings))
    for _ in range(40):
        trainer.step()
    found = evaluate(trainer.model, [TASKS["en-de"]], EvaluationSettings(split="train", decode=8)).found[0]
    assert found.teacher_forced.learned
    assert found.teacher_forced.gap > 0.2
    assert found.teacher_forced.shuffled_log_perplexity > found.teacher_forced.log_perplexity
    assert found.measures["bleu"] > found.shuffled_measures["bleu"]
