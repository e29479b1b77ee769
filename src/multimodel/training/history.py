"""Which mixture a run was trained on from which step on: `mixtures.jsonl`, a line for each change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multimodel.tasks.batching import Stream
from multimodel.tasks.encoded import Encoded
from multimodel.tasks.mixture import Mixture
from multimodel.training.lines import add_line, read_lines
from multimodel.training.settings import TrainingSettings

LINES = "mixtures.jsonl"
OF_MIXTURE = ("rule", "temperature", "cap", "seed")
OF_BATCHES = ("batch_cost", "batch_examples", "accumulate", "placement")
SAMPLED = 256  # examples whose content is looked at: to read all of them would take as long as an epoch


def definition(mixture: Mixture, streams: Mapping[str, Stream], settings: TrainingSettings) -> dict[str, Any]:
    """What decides which examples a step takes; per task its rate, its number of examples, and a digest of them."""
    return {
        **{name: getattr(mixture, name) for name in OF_MIXTURE},
        **{name: getattr(settings, name) for name in OF_BATCHES},
        "rates": dict(zip(mixture.names, mixture.rates, strict=True)),
        "examples": dict(zip(mixture.names, mixture.examples, strict=True)),
        "digests": {name: digest(stream.encoded) for name, stream in streams.items()},
    }


def digest(encoded: Encoded) -> str:
    """A digest of which examples there are, how long each is, and what is in some of them."""
    found = hashlib.blake2b(digest_size=8)
    for numbers in (encoded.rows, encoded.input_costs, encoded.inputs.shapes, encoded.outputs.shapes):
        found.update(numbers.astype("<i8").tobytes())
    for place in range(0, len(encoded), max(1, len(encoded) // SAMPLED)):
        found.update(encoded.inputs[place].tobytes() + encoded.outputs[place].tobytes())
    return found.hexdigest()


def note_mixture(run: Path, step: int, now: Mapping[str, Any]) -> list[str]:
    """Note the mixture from this step on where it is not the one before; what has changed, a sentence each."""
    before = last_mixture(run)
    if before == now:
        return []
    add_line(run / LINES, {"after_step": step, **now})
    return changes(before, now) if before and step else []


def last_mixture(run: Path) -> dict[str, Any] | None:
    """The newest one that was noted."""
    lines = read_lines(run / LINES)
    return {key: value for key, value in lines[-1].items() if key != "after_step"} if lines else None


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is different between two definitions."""
    found = [
        f"{key}: {before.get(key)} → {now[key]}" for key in (*OF_MIXTURE, *OF_BATCHES) if before.get(key) != now[key]
    ]
    for task in sorted(before.get("rates", {}).keys() | now["rates"].keys()):
        found += _task_changes(task, before, now)
    return found


def _task_changes(task: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    rate, rate_now = (one["rates"].get(task) for one in (before, now))
    if rate is None or rate_now is None:
        return [f"{task} is {'added' if rate is None else 'no longer trained on'}"]
    found = [f"rate of {task}: {rate:g} → {rate_now:g}"] if rate != rate_now else []
    count, count_now = (one["examples"][task] for one in (before, now))
    if before["digests"][task] != now["digests"][task]:
        found.append(f"the data of {task} was changed ({count:,} → {count_now:,} examples)")
    return found
