"""The commands that make such a run, worked out from its settings: a preset, and what was set differently."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from multimodel.evaluation.evaluate import EvaluationSettings
from multimodel.presets import PRESETS
from multimodel.report.record import Record
from multimodel.tasks.mini8 import NAMES

BUDGET = ("steps", "minutes")


def command_lines(record: Record) -> list[str]:
    """Train, evaluate, report; the folder of the data is left out, as it differs between machines."""
    return [
        " ".join(["multimodel train", *map(shlex.quote, train_words(record))]),
        " ".join(["multimodel evaluate", *map(shlex.quote, evaluate_words(record))]),
        " ".join(["multimodel report", shlex.quote(record.name)]),
    ]


def train_words(record: Record) -> list[str]:
    """Preset, tasks where they are not all eight, options that differ from the preset, and the folder."""
    config, words = record.config, [record.config.preset]
    if tuple(record.tasks) != NAMES:
        words += ["--tasks", *record.tasks]
    if config.preset in PRESETS:
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
