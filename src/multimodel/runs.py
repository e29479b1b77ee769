"""A run from its tasks to its scores: what `multimodel train` and `multimodel evaluate` do, as calls."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from multimodel.errors import InputError
from multimodel.evaluation.before_after import before_after_markdown
from multimodel.evaluation.evaluate import EvaluationSettings, Scores, TaskEvaluation, write_evaluation
from multimodel.evaluation.evaluate import evaluate as evaluate_tasks
from multimodel.evaluation.score import score
from multimodel.evaluation.table import markdown_table
from multimodel.folders import features_folder
from multimodel.named_tasks import declare, named, read_words, task_name, with_data
from multimodel.prediction import TrainedModel, load
from multimodel.presets import PRESETS, Preset
from multimodel.sources.rows import nearest
from multimodel.tasks import mini8
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.encoded import Encoded, encode_examples
from multimodel.tasks.task import TRAIN, Task
from multimodel.training import checkpoint
from multimodel.training.adding import Adding, carry_over, grown_config
from multimodel.training.export import write_part
from multimodel.training.kinds import KINDS, Kinds
from multimodel.training.processes import is_first
from multimodel.training.run_config import RunConfig, gone_on
from multimodel.training.settings import TrainingSettings
from multimodel.training.train import check_start, default_device, start_run
from multimodel.training.train import train as train_run

MOST_SCORED = 5000


def train(
    tasks: Sequence[Declaration | str],
    out: str | Path,
    *,
    preset: str | Preset = "quickstart",
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    kinds: Kinds = KINDS,
) -> TrainedModel:
    """Train one model on these tasks and return it; the run is kept in the folder `out`.

    A task is a `Declaration`, the name of one of mini8's, or the path of a YAML file. `steps` and `minutes` replace the
    preset's budget. With `resume` the run in `out` goes on, with its own settings and the tasks it is trained on.
    `kinds` are the kinds of data that these tasks may have. Raises `InputError`, one sentence, for what cannot be used.
    """
    run = Path(out)
    check_writable(run)
    if resume:
        if is_first():
            checkpoint.mend(run)
        known = checkpoint.load_config(checkpoint.latest(run), kinds)
        config = resumed(known, budget(known.training, steps, minutes), declare(tasks, known.data))
        train_run(config, run, resume=True)
    else:
        name, chosen = named_preset(preset)
        chosen = dataclasses.replace(chosen, training=budget(chosen.training, steps, minutes))
        start(chosen, name, tasks, run, kinds=kinds)
    return load(run, kinds=kinds)


def start(
    preset: Preset,
    name: str,
    tasks: Sequence[Declaration | str],
    run: Path,
    data_folder: Path | None = None,
    kinds: Kinds = KINDS,
) -> Path:
    """Train on these tasks, from initial weights; the last checkpoint."""
    check_start(preset.training, run, resume=False)
    return train_run(start_run(preset, name, declare(tasks, preset.data, data_folder), kinds), run)


def budget(training: TrainingSettings, steps: int | None, minutes: float | None) -> TrainingSettings:
    """The settings with another budget, where one is given."""
    if steps is None and minutes is None:
        return training
    return dataclasses.replace(training, steps=steps, minutes=minutes)


def check_writable(folder: Path) -> None:
    """Raise `InputError` where nothing can be written to a folder, or it cannot be made: asked before any work."""
    place = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
    if not place.is_dir():
        raise InputError(f"{place} is a file: give a folder to write to.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"Nothing can be written to the folder {place}: give another one.")


def add(
    run: str | Path,
    tasks: Sequence[Declaration | str],
    out: str | Path,
    adding: Adding | None = None,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    old: Sequence[Declaration] = (),
    kinds: Kinds = KINDS,
) -> TrainedModel:
    """Teach the model of a run these tasks, too; the model that knows them is kept in the folder `out`.

    `adding` says what keeps its weights, which old tasks are rehearsed, and whether experts are added. `old` are those
    tasks to rehearse whose data was given in Python.
    """
    check_writable(Path(out))
    newest = checkpoint.latest(Path(run))
    known = checkpoint.load_config(newest, kinds)
    grow(newest, known, tasks, Path(out), adding or Adding(), budget(known.training, steps, minutes), old=old)
    return load(out, kinds=kinds)


def grow(
    newest: Path,
    known: RunConfig,
    tasks: Sequence[Declaration | str],
    out: Path,
    adding: Adding,
    training: TrainingSettings,
    data_folder: Path | None = None,
    old: Sequence[Declaration] = (),
) -> Path:
    """Go on from a checkpoint with these tasks more; the last checkpoint of the run in `out`."""
    check_start(training, out, resume=False)
    given = with_data(known, old) if old else []
    config = grown_config(known, declare(tasks, known.data, data_folder), adding, training, data_folder, given)
    return train_run(config, out, initial=partial(carry_over, newest=newest))


def evaluate(
    run: str | Path,
    tasks: Sequence[Declaration | str] = (),
    settings: EvaluationSettings | None = None,
    data_folder: Path | None = None,
    kinds: Kinds = KINDS,
) -> list[TaskEvaluation]:
    """Score the newest checkpoint of a run; write `RUN/evaluation.json`, and its table as `RUN/evaluation.md`.

    `tasks` are some of the run's, all where none is named; one whose data was given in Python must be given again.
    Those that cannot be scored are told on stderr; where they were asked for by name, or none can be, this raises
    `InputError` after the scores of the others are written.
    """
    scores = evaluate_run(Path(run), tasks, settings or EvaluationSettings(), data_folder, kinds)
    scores.check(asked=bool(tasks))
    return scores.found


def evaluate_run(
    run: Path,
    tasks: Sequence[Declaration | str],
    settings: EvaluationSettings,
    data_folder: Path | None,
    kinds: Kinds = KINDS,
) -> Scores:
    """The scores, written, and which tasks have none, not told yet."""
    check_writable(run)
    scores, what = evaluate_only(run, tasks, settings, data_folder, kinds)
    if scores.found:
        write_evaluation(run / "evaluation.json", scores.found, what)
        (run / "evaluation.md").write_text(markdown_table(scores.found), encoding="utf-8")
    return scores


def evaluate_only(
    run: Path,
    tasks: Sequence[Declaration | str],
    settings: EvaluationSettings,
    data_folder: Path | None,
    kinds: Kinds = KINDS,
) -> tuple[Scores, dict[str, object]]:
    """The scores, and what was scored; nothing is written."""
    newest = checkpoint.latest(run)
    config = checkpoint.load_config(newest, kinds)
    most_bad = config.data.most_bad if settings.most_bad is None else settings.most_bad
    scores = evaluate_tasks(
        checkpoint.load_model(newest, config).to(default_device()),
        named(config, tasks),
        dataclasses.replace(settings, most_bad=most_bad),
        read=partial(mini8.found_again, folder=data_folder),
        cache=features_folder(),
        console=Console(stderr=True),
    )
    return scores, about(config, newest, settings)


def export(
    run: str | Path,
    tasks: Sequence[str],
    out: str | Path,
    *,
    drop_experts: bool = False,
    data_folder: Path | None = None,
    kinds: Kinds = KINDS,
) -> Path:
    """Write the part of a run that these tasks use as a run of its own; the path of its checkpoint.

    With `drop_experts`, experts that no position of the first 5,000 training examples of these tasks uses are left out.
    """
    check_writable(Path(out))
    newest = checkpoint.latest(Path(run))
    config = checkpoint.load_config(newest, kinds)
    config.named(tasks)  # refuses unknown names before anything is scored
    importance: list[np.ndarray] = []
    if drop_experts:
        model = checkpoint.load_model(newest, config).to(default_device())
        for task in with_data(config, tasks, data_folder):
            importance = _summed(importance, score(model, task, _first_encoded(task, config)).importance)
    return write_part(newest, config, tasks, Path(out), importance)


def _first_encoded(task: Task, config: RunConfig) -> Encoded:
    return encode_examples(
        task, TRAIN, cache=features_folder(), limit=MOST_SCORED, most_bad=config.data.most_bad, progress=True
    )


def _summed(sums: Sequence[np.ndarray], more: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Layer by layer; a task whose answer is a class has no decoder and so one layer less."""
    layers = zip_longest(sums, more, fillvalue=np.zeros(1))
    return [a + b for a, b in layers]


def compare(
    before: str | Path,
    after: str | Path,
    tasks: Sequence[Declaration | str] = (),
    settings: EvaluationSettings | None = None,
    data_folder: Path | None = None,
    kinds: Kinds = KINDS,
) -> tuple[list[TaskEvaluation], list[TaskEvaluation]]:
    """Scores of both runs on the same examples, and their table as `AFTER/before-after.md`.

    `tasks` are some of those that the run `after` knows, all where none is named; those that cannot be scored, as their
    data is gone or has too few held-out examples, are told on stderr and left out.
    """
    check_writable(Path(after))
    settings = settings or EvaluationSettings(examples=1000, decode=100)
    former, config = (checkpoint.load_config(checkpoint.latest(Path(run)), kinds) for run in (before, after))
    known, newer = ([task.name for task in one.tasks] for one in (former, config))
    asked = read_words(tasks) or newer
    new, _ = evaluate_only(Path(after), asked, settings, data_folder, kinds)
    both = [task for task in asked if task_name(task) in known and task_name(task) not in new.refused]
    old = evaluate_only(Path(before), both, settings, data_folder, kinds)[0] if both else Scores([], {})
    for scores in (new, old):
        scores.tell()
    if new.found:
        (Path(after) / "before-after.md").write_text(before_after_markdown(old.found, new.found), encoding="utf-8")
    return old.found, new.found


def named_preset(preset: str | Preset) -> tuple[str, Preset]:
    """A preset and its name; raises `InputError` for a name that is none."""
    if isinstance(preset, Preset):
        return "own", preset
    if preset not in PRESETS:
        raise InputError(f"There is no preset {preset!r}: {nearest(preset, tuple(PRESETS))}")
    return preset, PRESETS[preset]


def resumed(config: RunConfig, training: TrainingSettings, declared: Sequence[Declaration]) -> RunConfig:
    """The run to go on with, its tasks given again."""
    names = [task.name for task in config.trained]
    if [one.name for one in declared] != names:
        raise InputError(f"This run has other tasks: it can only go on with {', '.join(names)}.")
    return gone_on(config, with_data(config, declared), training)


def about(config: RunConfig, newest: Path, settings: EvaluationSettings) -> dict[str, object]:
    """What was evaluated, and where."""
    state = checkpoint.load_state(newest)
    return {
        "preset": config.preset,
        "checkpoint": newest.name,
        "steps": state.step,
        "training_minutes": state.seconds / 60,
        "settings": asdict(settings),
        "training": asdict(config.training),
        "model": asdict(config.model),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }
