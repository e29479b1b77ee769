"""The page of a run: what it shows, and what it does without."""

import base64
import json
import re
import shlex
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as parquet
import pytest
from reported import Page, change, evaluations, step, write_run

from multimodel import cli
from multimodel.commands.train import Train, parse
from multimodel.errors import InputError
from multimodel.evaluation.evaluate import TaskEvaluation
from multimodel.presets import PRESETS
from multimodel.report import write_pictures, write_report
from multimodel.report.command_lines import command_lines
from multimodel.report.expert_use import layer_uses
from multimodel.report.markup import Markup, element
from multimodel.report.record import read_log, read_record
from multimodel.tasks.mini8 import NAMES
from multimodel.tasks.task import TEST
from multimodel.training.run_config import RunConfig


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


def test_inputs_are_told_apart_by_their_rows_where_examples_have_one_name(tmp_path: Path) -> None:
    run = tmp_path / "one"
    config = write_run(run, ["en-de"])
    data = run / "mini8/en-de.parquet"
    table = parquet.read_table(data)
    parquet.write_table(table.set_column(table.column_names.index("id"), "id", [["same"] * len(table)]), data)

    def renamed(found: list[TaskEvaluation]) -> list[TaskEvaluation]:
        return [replace(one, samples=tuple(replace(sample, id="same") for sample in one.samples)) for one in found]

    page = change(run, renamed)
    for example in config.tasks[0].examples[TEST][:3]:
        assert f"Input {example.input} Reference" in page.text


def test_an_evaluated_task_that_the_run_has_no_more_is_left_out(run: Path) -> None:
    page = change(run, lambda found: [replace(found[0], task="gone"), *found[1:]])
    assert "Not evaluated: speech." in page.text


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
    told = capsys.readouterr().out
    assert str(run / "report.html") in told
    assert str(tmp_path / "pictures" / "loss.svg") in told
    assert (tmp_path / "pictures" / "loss.svg").is_file()
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


@pytest.mark.parametrize(("steps", "minutes"), [(20, None), (20, 0.5), (7, None), (7, 0.5), (None, 0.5)])
def test_the_training_command_gives_the_run_again(run: Path, steps: int | None, minutes: float | None) -> None:
    record = read_record(run)
    changed = replace(
        record,
        config=replace(
            record.config,
            training=replace(record.config.training, rates={"parse": 2.0}, threads=None, steps=steps, minutes=minutes),
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


def test_a_task_that_skips_the_decoder_has_no_row_there(made: tuple[Path, RunConfig]) -> None:
    encoder, decoder = layer_uses(evaluations(made[1]))
    assert encoder.tasks == NAMES
    assert "imageclass" not in decoder.tasks
    assert decoder.shares.shape == (len(NAMES) - 1, 4)
