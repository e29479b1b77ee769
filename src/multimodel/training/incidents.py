"""What went wrong in a run: a line each in `incidents.jsonl`, and of skipped steps all it takes to repeat them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from multimodel.batch import TENSORS, Batch, Route
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.training.checkpoint import MODEL, write_settings
from multimodel.training.lines import add_line, read_lines, strict
from multimodel.training.run_config import RunConfig
from multimodel.training.sums import write_sums
from multimodel.training.tensors import read_tensors, write_tensors

LINES = "incidents.jsonl"
FOLDER = "incidents"
ACCOUNT = "account.json"
MOST_KEPT = 3  # each holds a copy of all weights


@dataclass(frozen=True, kw_only=True)
class Incident:
    """`step` is the one it happened in, from 1; `what` a sentence for people; `details` what else is known."""

    step: int
    kind: str
    task: str
    what: str
    details: dict[str, Any] = field(default_factory=dict)


def note(run: Path, incident: Incident) -> None:
    """Add a line to the run's incidents."""
    add_line(run / LINES, asdict(incident))


def incidents(run: Path) -> list[Incident]:
    """All that a run noted, oldest first."""
    names = {one.name for one in fields(Incident)}
    return [Incident(**values) for values in read_lines(run / LINES) if values.keys() == names]


def step_folder(run: Path, step: int, rank: int = 0) -> Path:
    """Where the share that one process had of a skipped step is kept."""
    return run / FOLDER / f"{step:08d}-{rank}"


def weights_folder(run: Path, step: int, rank: int = 0) -> Path:
    """Where the weights are that one process had in a skipped step."""
    own = step_folder(run, step, rank)
    return own if (own / MODEL).is_file() else step_folder(run, step)


def kept_steps(run: Path, rank: int | None = None) -> list[tuple[int, int]]:
    """The steps that can be repeated, each with the rank of a process that kept its share, the latest kept last."""
    ranks = "[0-9]*" if rank is None else str(rank)
    places = [place.parent for place in (run / FOLDER).glob(f"[0-9]*-{ranks}/{ACCOUNT}")]
    places.sort(key=lambda place: (place / ACCOUNT).stat().st_mtime_ns)
    return [(int(step), int(rank)) for step, rank in (place.name.split("-") for place in places)]


def keep_step(
    run: Path,
    incident: Incident,
    config: RunConfig,
    model: MultiModel,
    batches: Sequence[Batch],
    seed: int,
    rank: int = 0,
    *,
    weights: bool = True,
) -> None:
    """Keep a skipped step's batches and `weights`, and forget the oldest such step where there are many.

    Where all processes have the same weights, the first one's are enough.
    """
    place = step_folder(run, incident.step, rank)
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write_settings(part, config)
    if weights:
        write_tensors(model.state_dict(), part / MODEL)
    for number, batch in enumerate(batches):
        write_tensors({name: getattr(batch, name) for name in TENSORS}, part / f"batch-{number}.safetensors")
    account = strict(asdict(incident)) | {"seed": seed, "routes": [asdict(batch.route) for batch in batches]}
    (part / ACCOUNT).write_text(json.dumps(account, indent=1, ensure_ascii=False), encoding="utf-8")
    write_sums(part)
    shutil.rmtree(place, ignore_errors=True)
    os.replace(part, place)
    for old, _ in kept_steps(run, rank)[:-MOST_KEPT]:  # those of other processes come and go meanwhile
        shutil.rmtree(step_folder(run, old, rank))


def read_step(run: Path, step: int, rank: int = 0) -> tuple[Incident, list[Batch], int]:
    """A skipped step: what was noted, its batches and its seed; raises `InputError` for one that is not kept."""
    place, known = step_folder(run, step, rank), kept_steps(run)
    if (step, rank) not in known:
        those = ", ".join(f"{one} of rank {other}" if other else str(one) for one, other in known) or "none"
        raise InputError(f"{run} cannot repeat step {step}: of the steps it skipped it has kept {those}.")
    try:
        account = json.loads((place / ACCOUNT).read_text(encoding="utf-8"))
        seed, routes = int(account.pop("seed")), [Route(**route) for route in account.pop("routes")]
        incident = Incident(**account)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{place / ACCOUNT} is damaged ({error}).") from error
    return incident, [_batch(place, number, incident.task, route) for number, route in enumerate(routes)], seed


def _batch(place: Path, number: int, task: str, route: Route) -> Batch:
    tensors = read_tensors(place / f"batch-{number}.safetensors")
    return Batch(task=task, route=route, **{name: tensors[name] for name in TENSORS})
