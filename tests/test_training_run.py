import io
import json
import math
import signal
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from runs import CPU, toy_config, toy_trainer

from multimodel.errors import InputError
from multimodel.presets import PRESETS
from multimodel.tasks.mixture import describe
from multimodel.training import checkpoint
from multimodel.training.display import Display, mixture_table
from multimodel.training.interruption import interruption
from multimodel.training.run_config import RunConfig, run_config
from multimodel.training.train import expected_steps, train
from multimodel.training.trainer import StepReport, Trainer

NAMES = ("imageclass", "en-de")
REPORT = StepReport(
    step=1,
    rank=0,
    task="en-de",
    position=0,
    drawn="00",
    skipped="",
    loss=2.5,
    balance=0.02,
    gradient_norm=1.5,
    learning_rate=1e-3,
    examples=4,
    symbols=20,
    padding=0.25,
    seconds=0.5,
    waiting=0.125,
    busiest_expert=0.3,
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "features"))


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def course(run: Path) -> list[tuple[int, str, float]]:
    return [(line["step"], line["task"], line["loss"]) for line in log(run)]


def trained(config: RunConfig, run: Path, *, resume: bool = False) -> Path:
    return train(config, run, resume=resume, device=CPU)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, number: int, times: int = 1) -> None:
    """Press Ctrl-C in the middle of a step, just before the optimiser moves."""
    descend = Trainer.descend

    def interrupted(self: Trainer, rate: float) -> float:
        if self.state.step == number - 1:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return descend(self, rate)

    monkeypatch.setattr(Trainer, "descend", interrupted)


def test_a_run_ends_after_its_steps_with_a_checkpoint_and_logs(tmp_path: Path) -> None:
    place = trained(toy_config(NAMES, steps=3), tmp_path)
    assert place == checkpoint.latest(tmp_path) == tmp_path / "checkpoints" / "00000003"
    assert [step for step, _, _ in course(tmp_path)] == [1, 2, 3]
    assert log(tmp_path)[0].keys() == asdict(REPORT).keys()
    assert [path for path in (tmp_path / "tensorboard").iterdir() if path.stat().st_size > 100]


def test_a_run_ends_after_its_minutes(tmp_path: Path) -> None:
    place = trained(toy_config(NAMES, steps=None, minutes=0.01), tmp_path)
    state = checkpoint.load_state(place)
    assert state.seconds >= 0.6
    assert state.seconds - log(tmp_path)[-1]["seconds"] < 0.6  # it was the last step that used the budget up
    assert state.step == len(log(tmp_path)) >= 1


def test_a_checkpoint_is_written_now_and_then(tmp_path: Path) -> None:
    trained(toy_config(NAMES, steps=5, checkpoint_steps=2, keep=9), tmp_path)
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["00000000", "00000002", "00000004", "00000005"]


def test_without_a_budget_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--steps, --minutes, or both"):
        trained(toy_config(NAMES, steps=None), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_a_run_is_refused_unless_it_is_resumed(tmp_path: Path) -> None:
    trained(toy_config(NAMES, steps=1), tmp_path)
    with pytest.raises(InputError, match="already holds a run: give --resume"):
        trained(toy_config(NAMES, steps=2), tmp_path)
    trained(toy_config(NAMES, steps=2), tmp_path, resume=True)
    assert len(log(tmp_path)) == 2


def test_resuming_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no checkpoint"):
        trained(toy_config(NAMES, steps=1), tmp_path, resume=True)


@pytest.mark.parametrize("mixing", ["round-robin", "adaptive"])
def test_a_run_that_was_interrupted_and_resumed_leaves_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mixing: str
) -> None:
    config = toy_config(NAMES, steps=7, mixing=mixing)
    straight = trained(config, tmp_path / "straight")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            trained(config, tmp_path / "broken")
    assert "Stopped at step 4: `--resume` goes on from there." in capsys.readouterr().err
    assert checkpoint.latest(tmp_path / "broken").name == "00000004"  # the step under way was finished
    resumed = trained(config, tmp_path / "broken", resume=True)
    for file in (checkpoint.MODEL, checkpoint.OPTIMISER):
        assert (resumed / file).read_bytes() == (straight / file).read_bytes()
    assert course(tmp_path / "broken") == course(tmp_path / "straight")


def test_a_run_that_was_killed_repeats_its_last_steps_without_logging_them_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = toy_config(NAMES, steps=6, checkpoint_steps=2)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4, times=2)  # the second Ctrl-C does not wait for the step, nor for a checkpoint
        with pytest.raises(KeyboardInterrupt):
            trained(config, tmp_path)
    assert checkpoint.latest(tmp_path).name == "00000002"
    assert len(log(tmp_path)) == 3
    trained(config, tmp_path, resume=True)
    assert [step for step, _, _ in course(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_an_interruption_waits_and_a_second_one_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruption() as asked:
        assert not asked.signal
        signal.raise_signal(signal.SIGINT)
        assert asked.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread(tmp_path: Path) -> None:
    places: list[Path] = []
    thread = threading.Thread(target=lambda: places.append(trained(toy_config(("en-de",), steps=1), tmp_path)))
    thread.start()
    thread.join()
    assert [place.name for place in places] == ["00000001"]


def test_rates_decide_how_often_a_task_is_picked(tmp_path: Path) -> None:
    trained(toy_config(NAMES, steps=4, rates={"en-de": 3.0}), tmp_path)
    assert sorted(task for _, task, _ in course(tmp_path)) == ["en-de", "en-de", "en-de", "imageclass"]


def test_a_rate_for_an_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="a rate for smell"):
        toy_config(NAMES, rates={"smell": 2.0})


def test_minutes_are_told_as_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "rehearse", lambda self, task: 0.5)
    assert expected_steps(toy_trainer(toy_config(NAMES, steps=12))) == 12
    trainer = toy_trainer(toy_config(NAMES, steps=None, minutes=1.0, accumulate=2))
    trainer.state.step, trainer.state.seconds = 7, 30.0
    assert expected_steps(trainer) == 7 + 30
    assert expected_steps(toy_trainer(toy_config(NAMES, steps=3, minutes=10.0))) == 3


def test_the_mixture_is_shown_as_a_table() -> None:
    trainer = toy_trainer(toy_config(NAMES))
    file = io.StringIO()
    Console(file=file, width=120).print(mixture_table(describe(trainer.mixture, trainer.streams, 20)))
    assert all(word in file.getvalue() for word in ("imageclass", "en-de", "50.0%", "24"))


def test_on_a_terminal_every_step_is_shown_in_a_table(tmp_path: Path) -> None:
    file = io.StringIO()
    with Display(tmp_path, Console(file=file, force_terminal=True, width=120), 0) as display:
        display.show([REPORT], 0.25)
    shown = file.getvalue()
    assert all(words in shown for words in ("en-de", "2.500", "25.0%", "30.0%", "25% · step 1"))
    assert log(tmp_path) == [asdict(REPORT)]


def test_elsewhere_a_line_is_printed_every_half_minute(tmp_path: Path) -> None:
    file = io.StringIO()
    with Display(tmp_path, Console(file=file, width=80), 0) as display:
        for step in range(1, 122):
            display.show([replace(REPORT, step=step, loss=1 / step)], step / 121)
    lines = file.getvalue().splitlines()
    assert len(lines) == 3  # 121 steps of half a second
    assert "step 1 · 40 symbols/s · padding 25% · waiting 25% · loss: en-de 1.00" in lines[0]
    assert all(math.isfinite(line["loss"]) for line in log(tmp_path))
    assert len(log(tmp_path)) == 121


def test_a_log_is_whole_after_every_step(tmp_path: Path) -> None:
    with Display(tmp_path, Console(file=io.StringIO()), 0) as display:
        display.show([REPORT], 0.5)
        assert len(log(tmp_path)) == 1


def test_a_new_run_starts_a_new_log(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"step"')
    trained(toy_config(("en-de",), steps=2), tmp_path)
    assert [step for step, _, _ in course(tmp_path)] == [1, 2]


def test_an_empty_mixture_is_refused(tmp_path: Path) -> None:
    config = toy_config(("en-de",), steps=1)
    with pytest.raises(InputError, match="at least one task"):
        trained(replace(config, tasks=()), tmp_path)


def test_the_same_task_twice_is_refused(tmp_path: Path) -> None:
    config = toy_config(("en-de",), steps=1)
    with pytest.raises(InputError, match="two tasks named en-de"):
        trained(replace(config, tasks=(*config.tasks, *config.tasks)), tmp_path)


def test_a_run_on_own_tasks_needs_no_data_folder(tmp_path: Path) -> None:
    config = toy_config(("fr-en",), steps=1)
    preset = replace(PRESETS["tiny"], training=config.training)
    made = run_config(preset, "mine", config.vocabulary, config.tasks)
    assert trained(made, tmp_path / "run").is_dir()
