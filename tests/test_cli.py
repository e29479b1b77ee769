import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from runs import write_mini8
from toy import tone, toy_tasks, wav

import multimodel
from multimodel import cli
from multimodel.commands.train import defaults, parse
from multimodel.data.mini8 import MissingExtra, SourceError
from multimodel.data.packages import PackageError
from multimodel.errors import InputError
from multimodel.presets import PRESETS
from multimodel.training.trainer import Trainer
from multimodel.trees import TreeError

SMALL = ["--data.class-side", "16", "--data.caption-side", "32"]
TWO = ["--tasks", "imageclass,en-de"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose cache holds the built data, and no more."""
    folder = tmp_path_factory.mktemp("home")
    write_mini8(folder / "multimodel" / "mini8")
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setattr("multimodel.decoding.MOST_SYMBOLS", 20)  # before it has learned to, a model does not stop


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    """Two steps of two tasks."""
    folder = home / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        assert cli.main(["train", "tiny", "--out", str(folder), "--steps", "2", *TWO, *SMALL]) == 0
    return folder


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one sentence on stderr of a command that ends with exit code 2, after what it may have said it was doing."""
    capsys.readouterr()
    assert cli.main(words) == 2
    written = capsys.readouterr()
    assert written.out == ""
    *doing, sentence = written.err.splitlines()
    assert all(line.startswith("reading ") for line in doing)
    assert sentence.endswith(".")
    return sentence


def usage_error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the option parser writes to stderr, spaces joined."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert "Traceback" not in written.err
    return " ".join(written.err.replace("│", " ").split())


def test_from_training_to_an_answer(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "run")
    assert cli.main(["train", "tiny", "--out", folder, "--steps", "3", *SMALL]) == 0
    assert "checkpoints/00000003" in capsys.readouterr().out
    assert cli.main(["train", "tiny", "--out", folder, "--resume", "--steps", "8"]) == 0
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(1, 9))
    assert len({line["task"] for line in log}) == 8
    assert cli.main(["evaluate", folder, "--examples", "3", "--decode", "2"]) == 0
    content = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert len(content["tasks"]) == 8
    assert (content["about"]["steps"], content["about"]["preset"]) == (8, "tiny")
    capsys.readouterr()
    assert cli.main(["predict", folder, "en-de", "the fox sees the dog", "a bird sleeps"]) == 0
    model = multimodel.load(folder)
    texts = [model.predict("en-de", text) for text in ("the fox sees the dog", "a bird sleeps")]
    assert capsys.readouterr().out == "".join(text + "\n" for text in texts)
    (tmp_path / "a.wav").write_bytes(wav(tone(500)))
    assert cli.main(["predict", folder, "speech", str(tmp_path / "a.wav")]) == 0
    assert capsys.readouterr().out == model.predict("speech", str(tmp_path / "a.wav")) + "\n"


def test_pictures_are_answered_from_files(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = next(task for task in toy_tasks()[1] if task.name == "imageclass").examples["test"][0].input
    (tmp_path / "picture.png").write_bytes(raw)
    capsys.readouterr()
    assert cli.main(["predict", str(run), "imageclass", str(tmp_path / "picture.png")]) == 0
    ranked = multimodel.load(run).answer("imageclass", str(tmp_path / "picture.png")).ranked
    assert capsys.readouterr().out == ", ".join(f"{name} {chance:.0%}" for name, chance in ranked) + "\n"


def test_chosen_tasks_are_evaluated(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(run), "--tasks", "imageclass", "--split", "dev", "--examples", "4"]
    assert cli.main(words) == 0
    assert [task["task"] for task in json.loads((run / "evaluation.json").read_text())["tasks"]] == ["imageclass"]
    assert "imageclass" in capsys.readouterr().out


def test_the_preset_may_stand_after_the_options(tmp_path: Path) -> None:
    folder = str(tmp_path / "base")  # a preset's name, but not the preset
    assert cli.main(["train", "--out", folder, "--steps=1", *TWO, *SMALL, "--", "tiny"]) == 0
    assert multimodel.load(folder).model.encoder is not None


def test_a_resumed_run_keeps_its_own_settings(run: Path, tmp_path: Path) -> None:
    from multimodel.training import checkpoint

    folder = tmp_path / "run"
    words = ["train", "tiny", f"--out={folder}", "--seed", "5", "--learning-rate", "0.5", "--steps", "1", *TWO, *SMALL]
    assert cli.main(words) == 0
    assert cli.main(["train", "tiny", f"--out={folder}", "--resume", "--steps=2", "--rates", "en-de", "2.0"]) == 0
    config = checkpoint.load_config(checkpoint.latest(folder))
    assert (config.training.seed, config.training.learning_rate, config.training.steps) == (5, 0.5, 2)
    assert {task.name: task.rate for task in config.tasks} == {"imageclass": 1.0, "en-de": 2.0}


def test_moved_data_can_be_named_when_resuming(run: Path, tmp_path: Path) -> None:
    from multimodel.training import checkpoint

    words = ["train", "tiny", "--out", str(tmp_path / "run"), *TWO]
    there, elsewhere = (write_mini8(tmp_path / name) for name in ("there", "elsewhere"))
    assert cli.main([*words, *SMALL, "--steps", "1", "--data-folder", str(there)]) == 0
    there.rename(tmp_path / "gone")
    assert cli.main([*words, "--resume", "--steps", "2", "--data-folder", str(elsewhere)]) == 0
    newest = checkpoint.latest(tmp_path / "run")
    assert all(task.origin.folder == elsewhere for task in checkpoint.load_config(newest).tasks)


def test_tasks_of_a_run_may_rest_and_come_back(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from multimodel.training import checkpoint

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    words = ["train", "tiny", "--out", str(copy), "--resume"]
    first = checkpoint.load_state(checkpoint.latest(copy))
    assert cli.main([*words, "--tasks", "en-de", "--steps", str(first.step + 2)]) == 0
    assert f"! from step {first.step + 1} on, imageclass is no longer trained on" in capsys.readouterr().err
    newest = checkpoint.latest(copy)
    assert checkpoint.load_config(newest).resting == ("imageclass",)
    state = checkpoint.load_state(newest)
    assert state.positions["imageclass"] == first.positions["imageclass"]
    assert state.positions["en-de"] == first.positions["en-de"] + 2
    assert cli.main([*words, "--steps", str(first.step + 3)]) == 0
    assert checkpoint.load_config(checkpoint.latest(copy)).resting == ("imageclass",)
    assert cli.main([*words, "--tasks", "imageclass,en-de", "--steps", str(first.step + 5)]) == 0
    assert "imageclass is added" in capsys.readouterr().err
    assert checkpoint.load_config(checkpoint.latest(copy)).resting == ()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["base"], "preset"),
        (["tiny", "--model.width", "32"], "model"),
        (["tiny", "--data.max-symbols", "9"], "data"),
        (["tiny", "--tasks", "en-de", "parse"], "tasks"),
    ],
)
def test_what_a_run_is_made_of_cannot_change(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], name: str
) -> None:
    assert f"has another {name}" in failure(capsys, "train", *words, "--out", str(run), "--resume")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], "There is no command 'trian': choose from data, train"),
        (["train", "tinny", "--out", "RUN2"], "There is no preset 'tinny': did you mean 'tiny'?"),
        (
            ["train", "tiny", "--out", "RUN2", "--tasks", "smell"],
            "There is no task 'smell': name a YAML file, or choose from speech",
        ),
        (["train", "tiny", "--out", "RUN2", "--data-folder", "none"], "does not exist. Make the data with"),
        (["train", "tiny", "--out", "RUN2", "--steps", "0"], "steps is 0 and must be above 0"),
        (["train", "tiny", "--out", "RUN2", "--rates", "smell", "2"], "a rate for smell"),
        (["train", "tiny", "--out", "RUN"], "already holds a run: give --resume"),
        (["train", "tiny", "--out", "RUN2", "--resume"], "holds no checkpoint"),
        (["evaluate", "RUN2"], "holds no checkpoint"),
        (["evaluate", "RUN", "--tasks", "speech"], "has no task 'speech': choose from imageclass, en-de"),
        (["evaluate", "RUN", "--tasks", "en-de", "--split", "tset"], "Task en-de has no tset examples"),
        (["evaluate", "RUN", "--beams", "0"], "Of beams there must be at least 1, not 0"),
        (["predict", "RUN2", "en-de", "the fox"], "is not a folder"),
        (["predict", "RUN", "fr-en", "le merle"], "no task 'fr-en': it knows imageclass, en-de"),
        (["predict", "RUN", "en-de", ""], "The text is empty"),
        (["predict", "RUN", "en-de"], "There is no input: give a text"),
        (["predict", "RUN", "en-de", "the fox", "--beams", "0"], "at least 1 beam"),
        (["predict", "RUN", "imageclass", "none.png"], "none.png does not exist"),
        (["predict", "RUN", "imageclass", "RUN/log.jsonl"], "log.jsonl is not an image"),
        (["data", "build", "mini8", "--out", "RUN2", "--sources", "smell"], "mini8 has no source smell"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(run.parent)
    given = [word.replace("RUN2", "nowhere").replace("RUN", run.name) for word in words]
    assert sentence in failure(capsys, *given)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "quickstart", "--out", "there", "--stepz", "3"], "Unrecognized options: --stepz, 3 --steps"),
        (
            ["train", "tiny", "--out", "there", "--model.widht", "3"],
            "Unrecognized options: --model.widht --model.width",
        ),
        (["train", "tiny", "--out", "there", "--steps", "many"], "many"),
        (["train", "tiny", "--out", "there", "--mixing", "shaken"], "round-robin"),
        (["train", "tiny"], "--out"),
        (["evaluate"], "PATH"),
        (["predict", "there"], "Name of the task"),
        (["data", "build", "mini9"], "mini8"),
        (["presets", "tiny"], "tiny"),
    ],
)
def test_wrong_options_name_the_right_ones(capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    found = usage_error(capsys, *words)
    for part in expected.split(" --"):
        assert part in found


@pytest.mark.parametrize("error", [InputError, TreeError, SourceError, PackageError, MissingExtra])
def test_every_error_about_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("The packages are gone.")

    monkeypatch.setattr("multimodel.data.mini8.build", fail)
    assert failure(capsys, "data", "build", "mini8") == "The packages are gone."


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("multimodel.data.mini8.build", fail)
    with pytest.raises(ValueError, match="a bug"):
        cli.main(["data", "build", "mini8"])


def test_a_run_that_cannot_start_is_refused_before_any_data_are_read(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimodel.tasks.mini8.declared_tasks", None)
    assert "already holds a run" in failure(capsys, "train", "tiny", "--out", str(run))
    words = ["train", "tiny", "--out", str(run) + "2", "--steps", "None"]
    assert "How long?" in failure(capsys, *words)


def test_ctrl_c_saves_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = Trainer.next_batches

    def pressed(self: Trainer, tasks: Sequence[str]) -> object:
        if self.state.step == 1:
            signal.raise_signal(signal.SIGINT)
        return choose(self, tasks)

    monkeypatch.setattr(Trainer, "next_batches", pressed)
    words = ["train", "tiny", "--out", str(tmp_path / "run"), *TWO, *SMALL]
    assert cli.main(words) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "Stopped at step 2: `--resume` goes on from there."
    assert {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()} == {"00000000", "00000002"}


def test_ctrl_c_outside_training_is_silent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("multimodel.data.mini8.build", pressed)
    assert cli.main(["data", "build", "mini8"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_names_every_command(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == (0 if words else 2)
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert f"usage: multimodel {command}" in capsys.readouterr().out


def test_help_of_a_preset_shows_its_own_values(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "paper", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--model.experts INT (default: 240)" in shown.replace("│ ", "")


def test_help_does_not_wait_for_torch() -> None:
    program = "import sys, multimodel.cli; multimodel.cli.main(['--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: multimodel COMMAND")


def test_one_answer_does_not_wait_for_numba(run: Path) -> None:
    words = ["predict", str(run), "en-de", "the fox sees the dog"]
    program = f"import sys, multimodel.cli; multimodel.cli.main({words}); sys.exit('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(multimodel.load(run).predict("en-de", "the fox sees the dog"))  # here cut short


def test_the_module_is_the_command(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "multimodel", "predict", "none", "en-de", "fox"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=os.environ)
    assert done.returncode == 2
    assert done.stderr == "none is not a folder: give the one that `multimodel train … --out` wrote.\n"


def test_one_limit_of_the_budget_takes_the_place_of_the_other() -> None:
    def budget(*words: str) -> tuple[int | None, float | None]:
        training = parse(["quickstart", "--out", "run", *words], defaults(PRESETS["quickstart"])).training
        return training.steps, training.minutes

    assert budget() == (None, 11.0)
    assert budget("--steps", "600") == (600, None)
    assert budget("--minutes=5") == (None, 5.0)
    assert budget("--steps", "600", "--minutes", "5") == (600, 5.0)
