"""The commands that make such a run, worked out from its settings; or a sentence, where no command alone does."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from multimodel.evaluation.evaluate import EvaluationSettings
from multimodel.presets import PRESETS
from multimodel.report.record import Record
from multimodel.tasks.mini8 import NAMES, is_mini8

BUDGET = ("steps", "minutes")


def command_lines(record: Record) -> list[str]:
    """Train, evaluate, report; the folder of the data is left out, as it differs between machines."""
    otherwise = made_otherwise(record)
    return [
        f"# {otherwise}" if otherwise else " ".join(["multimodel train", *map(shlex.quote, train_words(record))]),
        " ".join(["multimodel evaluate", *map(shlex.quote, evaluate_words(record))]),
        " ".join(["multimodel report", shlex.quote(record.name)]),
    ]


def made_otherwise(record: Record) -> str:
    """How the run was made where that is no single command on mini8, a sentence; empty where it is one."""
    config, how = record.config, []
    own = [task.name for task in config.tasks if not is_mini8(task)]
    if config.preset not in PRESETS:
        how.append("with a preset given in Python")
    if own:
        how.append(f"on data of its own ({', '.join(own)})")
    if went_on(record):
        how.append("going on from another run, or with other tasks than it began with")
    return f"This run was trained {', '.join(how)}." if how else ""


def went_on(record: Record) -> bool:
    """Whether the run learned further tasks or is part of another, which rates or steps that are not its own tell."""
    config = record.config
    own_rates = any(task.rate != 1 and task.name not in config.training.rates for task in config.tasks)
    return bool(config.frozen or config.resting) or own_rates or not record.steps or record.steps[0].step > 1


def train_words(record: Record) -> list[str]:
    """Preset, tasks where they are not all eight, options that differ from the preset, and the folder."""
    config, words = record.config, [record.config.preset]
    if tuple(record.tasks) != NAMES:
        words += ["--tasks", *record.tasks]
    preset, training = PRESETS[config.preset], asdict(config.training)
    usual = asdict(preset.training)
    if any(training[limit] != usual[limit] for limit in BUDGET):
        usual |= dict.fromkeys(BUDGET)  # one limit takes the other's place
    words += options("--", training, usual)
    words += options("--model.", asdict(config.model), asdict(preset.model))
    words += options("--data.", asdict(config.data), asdict(preset.data))
    return [*words, "--out", record.name]


def evaluate_words(record: Record) -> list[str]:
    """The folder, tasks where they are not all of the run's, and options that differ from their defaults."""
    evaluated = [evaluation.task for evaluation in record.evaluations]
    chosen = ["--tasks", *evaluated] if evaluated != record.tasks else []
    settings = record.about.get("settings", {})
    return [record.name, *chosen, *options("--", settings, asdict(EvaluationSettings()))]


def options(prefix: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """`--name value …` for each value that is not the default."""
    words: list[str] = []
    for name, value in values.items():
        if name not in defaults or plain(value) != plain(defaults[name]):
            words += [prefix + name.replace("_", "-"), *map(str, plain(value))]
    return words


def plain(value: Any) -> list[Any]:
    """The words of a value: several for a list or a mapping."""
    if isinstance(value, Mapping):
        return [word for pair in value.items() for word in pair]
    return list(value) if isinstance(value, list | tuple) else [value]
