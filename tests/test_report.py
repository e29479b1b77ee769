import base64
import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from runs import found_in, toy_config, toy_trainer
from toy import png, tone, wav

from multimodel import cli
from multimodel.commands.train import Train, parse
from multimodel.errors import InputError
from multimodel.evaluation.evaluate import Sample, TaskEvaluation, TeacherForced, write_evaluation
from multimodel.metrics import PRIMARY
from multimodel.presets import PRESETS
from multimodel.report import write_pictures, write_report
from multimodel.report.command_lines import command_lines
from multimodel.report.expert_use import LayerUse, effective_experts, grouped, layer_uses, pairs
from multimodel.report.experts import in_words
from multimodel.report.line_chart import round_ticks, spread
from multimodel.report.markup import Markup, element
from multimodel.report.media import audio_type, picture, recording
from multimodel.report.record import read_log, read_record
from multimodel.report.samples import tree_answer
from multimodel.report.scores import FULL_NAMES
from multimodel.report.series import running_mean, throughputs
from multimodel.report.tree_picture import can_be_drawn
from multimodel.tasks.mini8 import NAMES
from multimodel.tasks.task import TEST, Task
from multimodel.training.checkpoint import save
from multimodel.training.run_config import RunConfig
from multimodel.training.trainer import StepReport
from multimodel.trees import from_symbols, read_tree

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The elements of a page in order, their texts, and whether all were closed where they should be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name in names]


def step(number: int, task: str, **changes: float) -> StepReport:
    report = StepReport(
        step=number,
        rank=0,
        task=task,
        position=0,
        drawn="00",
        skipped="",
        loss=5.0 - number / 10,
        balance=0.1,
        gradient_norm=1.0,
        learning_rate=1e-3,
        examples=4,
        symbols=20,
        padding=0.25,
        seconds=0.5,
        waiting=0.1,
        busiest_expert=0.5,
    )
    return dataclasses.replace(report, **changes)


def evaluation(task: Task, experts: Sequence[Sequence[float]]) -> TaskEvaluation:
    """Made-up scores; the answers are the references, but for the first."""
    examples = task.examples[TEST][:3]
    answers = [task.examples[TEST][4].output] + [example.output for example in examples[1:]]
    measured = {PRIMARY[task.measure][0]: 0.25}
    return TaskEvaluation(
        task=task.name,
        split=TEST,
        measure=task.measure,
        examples=8,
        left_out=0,
        teacher_forced=TeacherForced(
            log_perplexity=1.234,
            accuracy=0.5,
            shuffled_log_perplexity=2.345,
            shuffled_accuracy=0.2,
            gap=1.111,
            gap_error=0.01,
            learned=task.name != "speech",
            experts=tuple(tuple(layer) for layer in experts),
        ),
        baselines={"unigram_log_perplexity": 4.0},
        decoded=3,
        beams=1,
        measures=measured,
        shuffled_measures=dict.fromkeys(measured, 0.1),
        baseline_measures={},
        signatures={},
        samples=tuple(
            Sample(id=example.id, row=row, output=example.output, answer=answer)
            for row, (example, answer) in enumerate(zip(examples, answers, strict=True))
        ),
        seconds=1.0,
    )


def evaluations(config: RunConfig) -> list[TaskEvaluation]:
    """As in a real run, the task that writes classes does not pass the decoder's experts."""
    found = []
    for number, task in enumerate(config.tasks):
        shares = np.roll([0.7, 0.2, 0.1, 0.0], number).tolist()
        found.append(evaluation(task, [shares] if task.measure == "class" else [shares, [0.25] * 4]))
    return found


def about(config: RunConfig, steps: int = 16) -> dict[str, object]:
    settings = {"split": "test", "examples": 64, "decode": 16, "beams": 1, "seed": 0}
    return {
        "preset": config.preset,
        "steps": steps,
        "training_minutes": 2.5,
        "settings": settings,
        "machine": "an abacus",
    }


def write_run(folder: Path, names: Sequence[str] = ()) -> RunConfig:
    """A run folder as training and evaluation leave it, with weights that were never trained."""
    config = found_in(toy_config(names), folder / "mini8")
    trainer = toy_trainer(config)
    save(folder, config, trainer.model, trainer.optimiser, trainer.state)
    tasks = [task.name for task in config.tasks]
    lines = [json.dumps(asdict(step(number + 1, tasks[number % len(tasks)]))) for number in range(16)]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_evaluation(folder / "evaluation.json", evaluations(config), about(config))
    return config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunConfig]:
    """A run of all tasks, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        run = tmp_path_factory.mktemp("runs") / "all"
        return run, write_run(run)


@pytest.fixture
def run(made: tuple[Path, RunConfig], tmp_path: Path) -> Path:
    """The same run, a copy to be changed."""
    return Path(shutil.copytree(made[0], tmp_path / "all", ignore=shutil.ignore_patterns("report.html")))


@pytest.fixture(scope="module")
def page(made: tuple[Path, RunConfig]) -> Page:
    return Page(write_report(made[0]))


def change(run: Path, alter: Callable[[list[TaskEvaluation]], list[TaskEvaluation]]) -> Page:
    """The page after the evaluations were altered."""
    record = read_record(run)
    write_evaluation(run / "evaluation.json", alter(list(record.evaluations)), record.about)
    return Page(write_report(run))


def test_the_page_loads_nothing_from_anywhere(page: Page) -> None:
    assert not page.named("script", "link", "iframe", "object", "embed", "base")
    addresses = [
        attributes[key] or "" for _, attributes in page.elements for key in ("src", "href") if key in attributes
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)


def test_every_link_inside_the_page_has_its_target_and_every_id_is_one_element(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(link["href"]).removeprefix("#") for link in page.named("a")} <= set(ids)


def test_the_heading_says_what_the_run_is(page: Page) -> None:
    for said in ("Run all", "preset tiny", "speech, imageclass, caption", "Steps 16", "2.5", "320", "an abacus"):
        assert said in page.text
    assert "multimodel evaluate all --examples 64 --decode 16" in page.text


def test_the_table_has_each_task_beside_its_controls(page: Page) -> None:
    assert page.text.count("2.35 (+1.11 ± 0.01)") == len(NAMES)
    assert page.text.count("not yet") == 1
    assert "That holds for 7 of 8 tasks." in page.text


def test_recordings_and_pictures_are_carried_along_unchanged(page: Page, made: tuple[Path, RunConfig]) -> None:
    examples = {task.name: [example.input for example in task.examples[TEST][:3]] for task in made[1].tasks}

    def carried(name: str, kind: str) -> list[bytes]:
        return [
            base64.b64decode(str(attributes["src"]).removeprefix(f"data:{kind};base64,"), validate=True)
            for attributes in page.named(name)
        ]

    assert carried("audio", "audio/wav") == examples["speech"]
    assert carried("img", "image/png") == examples["imageclass"] + examples["caption"]


def test_small_pictures_are_enlarged_and_described(page: Page) -> None:
    first = page.named("img")[0]
    assert (first["width"], first["class"]) == ("128", "pixels")
    assert all(image["alt"] for image in page.named("img"))


def test_texts_of_input_reference_and_answer_are_shown(page: Page, made: tuple[Path, RunConfig]) -> None:
    for task in made[1].tasks:
        for example in task.examples[TEST][:3]:
            assert example.output in page.text
            assert not isinstance(example.input, str) or example.input in page.text


def test_markup_in_data_stays_text(run: Path) -> None:
    attack = "</p><script>alert('x')</script><img src=x onerror=alert(1)>&amp;"

    def attacked(found: list[TaskEvaluation]) -> list[TaskEvaluation]:
        return [
            replace(
                one, samples=tuple(replace(sample, id=attack, output=attack, answer=attack) for sample in one.samples)
            )
            for one in found
        ]

    page = change(run, attacked)
    assert not page.named("script", "img")
    assert page.text.count("alert('x')") >= 3 * 3 * len(NAMES)
    assert "&amp;" in page.text  # written as it was given, not resolved


def test_characters_that_xml_forbids_are_replaced() -> None:
    assert element("p", "a\x00b", "\x1b") == "<p>a\ufffdb\ufffd</p>"
    assert element("p", Markup("<b>"), "<b>", class_='"', stroke_width=1.0) == (
        '<p class="&quot;" stroke-width="1"><b>&lt;b&gt;</p>'
    )


def test_tasks_that_were_not_evaluated_are_named(run: Path) -> None:
    page = change(run, lambda found: found[2:])
    assert "Not evaluated: speech, imageclass." in page.text
    assert "Run all" in page.text
    assert not page.named("audio")


def test_a_run_of_one_task_has_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_run(tmp_path / "one", ["imageclass"])
    page = Page(write_report(tmp_path / "one"))
    assert "nothing to compare its experts with" in page.text
    assert "✗ wrong" in page.text
    assert page.text.count("✓ right") == 2


def test_a_model_without_experts_has_a_report(run: Path) -> None:
    page = change(
        run, lambda found: [replace(one, teacher_forced=replace(one.teacher_forced, experts=())) for one in found]
    )
    assert "no mixture of experts" in page.text


def test_a_log_that_was_cut_off_is_read_up_to_there(run: Path) -> None:
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(step(17, "speech")))[:60])
    assert [report.step for report in read_log(run / "log.jsonl")] == list(range(1, 17))
    assert "Steps 16" in Page(write_report(run)).text


def test_steps_repeated_after_a_crash_count_once(run: Path) -> None:
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(step(16, "speech", loss=0.25))) + "\n")
    reports = read_log(run / "log.jsonl")
    assert [report.step for report in reports] == list(range(1, 17))
    assert reports[-1].loss == 0.25


def test_a_run_without_a_log_has_a_report(run: Path) -> None:
    (run / "log.jsonl").unlink()
    assert "there are no curves" in Page(write_report(run)).text


def test_steps_after_the_evaluation_are_pointed_out_and_not_counted(run: Path) -> None:
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(step(40, "speech"))) + "\n")
    page = Page(write_report(run))
    assert "The scores are those of step 16; the log goes on to step 40." in page.text
    assert "trained on 320 Parameters" in page.text


def test_data_that_is_gone_costs_only_the_inputs(run: Path) -> None:
    record = read_record(run)
    data = record.config.tasks[0].origin.folder
    (data / "caption.parquet").rename(run / "away")
    try:
        page = Page(write_report(run))
        with pytest.raises(InputError, match=r"caption\.parquet does not exist"):
            write_report(run, data)
    finally:
        (run / "away").rename(data / "caption.parquet")
    assert "Some inputs are not shown" in page.text
    assert record.evaluations[-1].samples[0].output in page.text


def test_an_example_that_has_changed_is_not_shown_as_the_input(run: Path) -> None:
    def moved(found: list[TaskEvaluation]) -> list[TaskEvaluation]:
        return [
            replace(one, samples=tuple(replace(sample, row=sample.row + 1) for sample in one.samples)) for one in found
        ]

    page = change(run, moved)
    assert not page.named("audio", "img")
    assert page.text.count("not in the data any more") == 3 * len(NAMES)


def test_what_is_no_evaluated_run_is_said_in_a_sentence(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        write_report(tmp_path / "nothing")
    with pytest.raises(InputError, match="holds no checkpoint"):
        write_report(tmp_path)
    (run / "evaluation.json").write_text('{"about": {}, "tasks": [{}]}')
    with pytest.raises(InputError, match="damaged"):
        write_report(run)
    (run / "evaluation.json").unlink()
    with pytest.raises(InputError, match=r"not evaluated yet: call `multimodel evaluate .*` first"):
        write_report(run)
    assert not (run / "report.html").exists()


def test_the_command_writes_page_and_pictures(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(run), "--pictures", str(tmp_path / "pictures")]) == 0
    assert str(run / "report.html") in capsys.readouterr().out
    assert cli.main(["report", str(tmp_path / "nothing")]) == 2


def test_each_picture_is_a_drawing_of_its_own(run: Path, tmp_path: Path) -> None:
    paths = write_pictures(run, tmp_path / "pictures")
    assert [path.name for path in paths] == [
        "loss.svg",
        "speed.svg",
        "shares.svg",
        "experts-encoder.svg",
        "experts-decoder.svg",
    ]
    for path in paths:
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not re.search(r"\b(nan|inf|None)\b", path.read_text())
    titles = {node.text for node in ElementTree.parse(paths[3]).iter("{http://www.w3.org/2000/svg}title")}
    assert "speech, expert 1: 70.0%" in titles


def test_the_training_command_gives_the_run_again(run: Path) -> None:
    record = read_record(run)
    changed = replace(
        record,
        config=replace(
            record.config,
            training=replace(record.config.training, rates={"parse": 2.0}, threads=None, minutes=0.5),
            model=replace(record.config.model, audio_channels=(4, 8, 16), mixture="dense"),
        ),
    )
    words = shlex.split(command_lines(changed)[0])[2:]
    tiny = PRESETS["tiny"]
    nothing = Train(preset="", out=Path(), tasks=NAMES, training=tiny.training, model=tiny.model, data=tiny.data)
    parsed = parse(words, nothing)
    assert (parsed.preset, parsed.out.name, parsed.tasks) == ("tiny", "all", NAMES)
    assert parsed.training == changed.config.training
    assert (parsed.model, parsed.data) == (changed.config.model, changed.config.data)


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


def test_a_task_that_skips_the_decoder_has_no_row_there(made: tuple[Path, RunConfig]) -> None:
    encoder, decoder = layer_uses(evaluations(made[1]))
    assert encoder.tasks == NAMES
    assert "imageclass" not in decoder.tasks
    assert decoder.shares.shape == (len(NAMES) - 1, 4)


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
