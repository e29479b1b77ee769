from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import toy_config, toy_trainer
from toy import png, square, tone, wav

import multimodel
from multimodel.batch import Batch
from multimodel.decoding import Hypotheses, beam
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.prediction import TrainedModel, answers, load, ranked, readable
from multimodel.tasks.task import Task
from multimodel.training import checkpoint
from multimodel.trees import read_tree, words

CONFIG = toy_config()
TASKS: dict[str, Task] = {task.name: task for task in CONFIG.tasks}
TEXTS = ("parse", "en-de", "de-en", "en-fr", "fr-en")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it has learned to, a model does not stop."""
    monkeypatch.setattr("multimodel.decoding.MOST_SYMBOLS", 20)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has not learned anything, with all eight tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))
        torch.manual_seed(1)
        trainer = toy_trainer(CONFIG)
    folder = tmp_path_factory.mktemp("run")
    checkpoint.save(folder, CONFIG, trainer.model, trainer.optimiser, trainer.state)
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> TrainedModel:
    return load(run)


def given(task: str, folder: Path) -> str:
    """The first held-out input as a user gives it: a text, or a path."""
    raw = TASKS[task].examples["test"][0].input
    if task in TEXTS:
        return raw
    path = folder / ("sound.wav" if task == "speech" else "picture.png")
    path.write_bytes(raw)
    return str(path)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_answers_a_text_or_a_file(model: TrainedModel, tmp_path: Path, task: str) -> None:
    answer = model.predict(task, given(task, tmp_path))
    assert isinstance(answer, str)
    assert answer == model.predict(task, given(task, tmp_path))


def test_a_parse_is_a_tree_over_the_words_of_the_sentence(model: TrainedModel) -> None:
    tree = read_tree(model.predict("parse", "the fox sees the unheard-of (zebra)"))
    assert words(tree) == ["the", "fox", "sees", "the", "unheard-of", "(zebra)"]


def test_marks_at_the_end_of_a_word_are_words_of_the_tree(model: TrainedModel) -> None:
    tree = read_tree(model.predict("parse", "the fox, a bird sees the dog."))
    assert words(tree) == ["the", "fox", ",", "a", "bird", "sees", "the", "dog", "."]


def test_a_class_comes_with_all_classes_best_first(model: TrainedModel, tmp_path: Path) -> None:
    answer = model.answer("imageclass", given("imageclass", tmp_path))
    chances = [chance for _, chance in answer.ranked]
    assert answer.text == answer.ranked[0][0]
    assert {name for name, _ in answer.ranked} == {"red", "green", "blue", "yellow"}
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1)


def test_pictures_and_sounds_of_any_size_and_rate_are_read(model: TrainedModel, tmp_path: Path) -> None:
    pixels = np.full((50, 90, 3), 255, dtype=np.uint8)
    square(pixels, "red", 3, 40, 30)
    (tmp_path / "large.png").write_bytes(png(pixels))
    (tmp_path / "fast.wav").write_bytes(wav(tone(700, 0.5, 44100), 44100))
    assert model.answer("imageclass", str(tmp_path / "large.png")).ranked
    model.predict("caption", str(tmp_path / "large.png"))
    model.predict("speech", str(tmp_path / "fast.wav"))


def test_a_checkpoint_folder_can_be_loaded_too(run: Path, model: TrainedModel) -> None:
    one = load(checkpoint.latest(run))
    assert one.predict("en-de", "the fox sees the dog") == model.predict("en-de", "the fox sees the dog")
    assert multimodel.load is load


def test_answers_in_a_batch_are_those_of_each_alone(model: TrainedModel) -> None:
    texts = ["the fox sees the dog", "a bird sleeps", "the bear hears the bear"]
    together = answers(model.model, model.task("en-fr"), texts)
    assert together == [model.answer("en-fr", text) for text in texts]


def test_as_many_beams_search_as_were_asked_for(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []

    def noted(model: MultiModel, batch: Batch, width: int, *limits: int) -> Hypotheses:
        widths.append(width)
        return beam(model, batch, width, *limits)

    monkeypatch.setattr("multimodel.prediction.beam", noted)
    assert isinstance(model.predict("de-en", "der Fuchs", beams=3), str)
    assert widths == [3]


@pytest.mark.parametrize("task", ["caption", "speech", "en-de"])
def test_an_answer_may_be_as_long_as_in_training_but_for_that_to_a_short_text(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    def endless(logits: torch.Tensor, scores: torch.Tensor, ended: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full_like(ended, 7, dtype=torch.int64), scores

    monkeypatch.setattr("multimodel.decoding.MOST_SYMBOLS", 500)
    monkeypatch.setattr("multimodel.decoding.continued", endless)
    monkeypatch.setattr("multimodel.prediction.readable", lambda task, symbols, raw: str(len(symbols)))
    known = replace(TASKS[task], output=replace(TASKS[task].output, max_length=300))
    raw = known.examples["test"][0].input
    (answer,) = answers(model.model, known, [raw])
    assert int(answer.text) == (3 * len(known.input.encode(raw)) + 32 if task == "en-de" else 300)


def test_ranked_names_follow_the_order() -> None:
    task = TASKS["imageclass"]
    assert ranked(task, [2, 0, 1, 3], [0.5, 0.3, 0.15, 0.05]).ranked == (
        ("blue", 0.5),
        ("red", 0.3),
        ("green", 0.15),
        ("yellow", 0.05),
    )


def test_written_symbols_are_read_back_as_they_were(model: TrainedModel) -> None:
    for name in TEXTS:
        task = TASKS[name]
        example = task.examples["train"][0]
        assert readable(task, task.output.encode(example.output).tolist(), example.input) == example.output


@pytest.mark.parametrize(
    ("task", "value", "sentence"),
    [
        ("smell", "a rose", "has no task 'smell': it knows speech, imageclass"),
        ("en-de", "", "text is empty"),
        ("en-de", " \n", "text is empty"),
        ("en-de", "fox " * 200, "symbols and the limit is 40"),
        ("parse", "", "text is empty"),
        ("imageclass", "none.png", "none.png does not exist"),
        ("caption", "sound.wav", "is not an image"),
        ("speech", "picture.png", "is not an audio file"),
        ("speech", "", "cannot be read"),
        ("speech", "long.wav", "the limit is 2 s"),
        ("caption", "empty.png", "is empty"),
    ],
)
def test_what_a_task_cannot_read_is_told_in_one_sentence(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, value: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given("speech", tmp_path)
    given("caption", tmp_path)
    Path("long.wav").write_bytes(wav(tone(400, 2.5)))
    Path("empty.png").touch()
    with pytest.raises(InputError, match=sentence) as caught:
        model.predict(task, value)
    assert "\n" not in str(caught.value)


def test_a_search_without_beams_is_refused(model: TrainedModel) -> None:
    with pytest.raises(InputError, match="at least 1 beam, not 0"):
        model.predict("en-de", "the fox", beams=0)


@pytest.mark.parametrize(("name", "sentence"), [("none", "is not a folder"), (".", "holds no checkpoint")])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load(tmp_path / name)


def test_the_package_exports_what_it_says() -> None:
    assert {name: type(getattr(multimodel, name)).__name__ for name in multimodel.__all__}
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        multimodel.lode  # noqa: B018
