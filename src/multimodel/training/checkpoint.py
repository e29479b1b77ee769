"""Checkpoints: folders of safetensors and JSON, written whole or not at all; nothing is ever unpickled."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from multimodel.build import Sizes
from multimodel.errors import InputError
from multimodel.model import MultiModel
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import task_from_json
from multimodel.tasks.vocabulary import Vocabulary
from multimodel.training.keeping import best, kept
from multimodel.training.kinds import KINDS, Kinds
from multimodel.training.moments import empty_moments, load_moments, moment_tensors
from multimodel.training.processes import sharing
from multimodel.training.run_config import FORMAT, RunConfig
from multimodel.training.settings import TrainingSettings
from multimodel.training.sharding import is_sharded, read_sharded, write_sharded
from multimodel.training.state import State, state_from_json
from multimodel.training.sums import check_sum, sum_of, write_sums
from multimodel.training.tensors import check_headers, header, headers, read_tensors, write_tensors

MODEL, OPTIMISER, CONFIG, STATE, TOKENIZER = (
    "model.safetensors",
    "optimiser.safetensors",
    "config.json",
    "state.json",
    "tokenizer.json",
)
BEST = "best.json"


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(path for path in (run / "checkpoints").glob("[0-9]*") if path.name.isdigit() and path.is_dir())


def latest(run: Path) -> Path:
    """The newest checkpoint, or the folder itself if it is one; raises `InputError` if it holds none."""
    if (run / CONFIG).is_file():
        return run
    found = checkpoints(run)
    if not found:
        raise InputError(f"{run} holds no checkpoint: give the folder that `multimodel train … --out` wrote.")
    return found[-1]


def latest_good(run: Path) -> Path:
    """The newest checkpoint that was saved while no task was failing, the oldest where none was."""
    found = checkpoints(run)
    return next((place for place in reversed(found) if not load_state(place).failing), found[0])


def drop_after(run: Path, step: int) -> None:
    """Remove checkpoints of later steps: those that training went back behind."""
    for place in checkpoints(run):
        if int(place.name) > step:
            shutil.rmtree(place)


def place_of(run: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return run / "checkpoints" / f"{step:08d}"


def save(run: Path, config: RunConfig, model: nn.Module, optimiser: torch.optim.Optimizer, state: State) -> Path:
    """Write a checkpoint beside its final place, rename it, and drop those that are not to be kept.

    Where the model is cut among processes all of them call this together. Raises `InputError` where the disk does not
    take it; what stood there before then still stands.
    """
    place, part = place_of(run, state.step), _part(run, state.step, "next")
    processes = sharing(model)
    try:
        if processes.first:
            mend(run)
            part.mkdir(parents=True)
        processes.wait()
        write = write_sharded if is_sharded(model) else write_tensors
        write(model.state_dict(), part / MODEL)
        write(moment_tensors(model, optimiser), part / OPTIMISER)
        if processes.first:
            write_settings(part, config)
            (part / STATE).write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
            _put(part, place, _part(run, state.step, "former"))
            drop_others(run, config.training.keep)
        processes.wait()
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(_not_written(run, state.step, error)) from error
    return place


def _part(run: Path, step: int, name: str) -> Path:
    place = place_of(run, step)
    return place.with_name(f".{place.name}.{name}.part")


def _put(part: Path, place: Path, former: Path) -> None:
    """Give a whole checkpoint its name."""
    write_sums(part)
    for file in (*part.iterdir(), part):
        _flush(file)
    if place.exists():
        os.replace(place, former)
    os.replace(part, place)
    _flush(place.parent)
    shutil.rmtree(former, ignore_errors=True)


def mend(run: Path) -> None:
    """Clear away what a killed run left half done: its checkpoint was not there yet, or still is beside its place."""
    for former in (run / "checkpoints").glob(".*.former.part"):
        place = former.with_name(former.name.split(".")[1])
        if not place.exists():
            os.replace(former, place)
    for unfinished in (run / "checkpoints").glob(".*.part"):
        shutil.rmtree(unfinished)


def drop_others(run: Path, last: int) -> None:
    """Keep the last few checkpoints and the best ones, which `best.json` names."""
    held_out = {place: _held_out(place) for place in checkpoints(run)}
    names = {task: place.name for task, place in best(held_out).items()}
    part = run / f".{BEST}.part"
    part.write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
    os.replace(part, run / BEST)
    for place in held_out.keys() - kept(held_out, last):
        shutil.rmtree(place)


def _held_out(place: Path) -> dict[str, float]:
    """The losses of a checkpoint on held-out examples; one that cannot be read is nobody's best."""
    try:
        return load_state(place).held_out
    except InputError:
        return {}


def write_settings(folder: Path, config: RunConfig) -> None:
    """What it takes to build a model and to use it, besides its weights."""
    config.vocabulary.save(folder / TOKENIZER)
    values = config.to_json() | {"vocabulary": sum_of(folder / TOKENIZER)}
    (folder / CONFIG).write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")


def load_config(checkpoint: Path, kinds: Kinds = KINDS) -> RunConfig:
    """The run that a checkpoint belongs to; raises `InputError` naming the file that is missing or damaged."""
    values = _read_json(checkpoint / CONFIG)
    if values.get("format") != FORMAT:
        raise InputError(
            f"{checkpoint / CONFIG} has format {values.get('format')}; this version reads {FORMAT}: "
            "use the version of multimodel that wrote it, or train anew."
        )
    for file in (CONFIG, TOKENIZER):
        check_sum(checkpoint / file)
    if values.get("vocabulary") != sum_of(checkpoint / TOKENIZER):
        raise InputError(f"{checkpoint / TOKENIZER} is the vocabulary of another model: copy the checkpoint again.")
    vocabulary = Vocabulary.load(checkpoint / TOKENIZER)
    try:
        return RunConfig(
            preset=values["preset"],
            model=Sizes(**_tuples(values["model"])),
            data=DataSettings(**values["data"]),
            training=TrainingSettings(**values["training"]),
            tasks=tuple(task_from_json(task, vocabulary, kinds.features, kinds.columns) for task in values["tasks"]),
            vocabulary=vocabulary,
            resting=tuple(values["resting"]),
            frozen=tuple(values["frozen"]),
            kinds=kinds,
        )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InputError(f"{checkpoint / CONFIG} is damaged ({error}).") from error


def load_state(checkpoint: Path) -> State:
    """Where training stood."""
    values = _read_json(checkpoint / STATE)
    check_sum(checkpoint / STATE)
    try:
        return state_from_json(values)
    except TypeError as error:
        raise InputError(f"{checkpoint / STATE} is damaged ({error}).") from error


def load_model(checkpoint: Path, config: RunConfig) -> MultiModel:
    """The trained model; sizes that the file does not have take no memory."""
    largest = max((math.prod(held.shape) for held in headers(checkpoint / MODEL).values()), default=0)
    if max(config.largest_matrices) <= largest:
        model = config.build()
        load_weights(checkpoint, model)
        return model
    try:  # on a device without memory, the first use of which takes torch two seconds
        with torch.device("meta"):
            model = config.build()
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        first = str(error).splitlines()[0]  # what follows are torch's own frames
        raise InputError(f"{checkpoint / CONFIG} is damaged: no model has these sizes ({first}).") from error
    _check_fit(checkpoint, model)
    model.to_empty(device="cpu")
    load_weights(checkpoint, model)
    return model


def load_weights(checkpoint: Path, model: nn.Module) -> None:
    """Fill a model with a checkpoint's weights; names, shapes and types must agree."""
    _check_fit(checkpoint, model)
    model.load_state_dict(read_weights(checkpoint))


def _check_fit(checkpoint: Path, model: nn.Module) -> None:
    check_headers(checkpoint / MODEL, {name: header(value) for name, value in model.state_dict().items()})


def read_weights(checkpoint: Path) -> dict[str, Tensor]:
    """A checkpoint's weights by name."""
    return read_tensors(checkpoint / MODEL)


def restore(checkpoint: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Give model and optimiser back what they had; all processes among which the model is cut call this together."""
    if not is_sharded(model):
        load_weights(checkpoint, model)
        load_moments(checkpoint / OPTIMISER, model, optimiser)
        return
    _check_fit(checkpoint, model)
    empty_moments(checkpoint / OPTIMISER, model, optimiser)
    if sharing(model).first:
        for file in (MODEL, OPTIMISER):
            check_sum(checkpoint / file)
    read_sharded(checkpoint, {**model.state_dict(), **moment_tensors(model, optimiser)})


def _not_written(run: Path, step: int, error: OSError) -> str:
    """What a full disk means for the run."""
    whole = [place.name for place in checkpoints(run)]
    rest = f"the one of step {int(whole[-1])} is whole: make room, and go on with --resume" if whole else "make room"
    return f"The checkpoint of step {step} cannot be written to {run} ({error.strerror or error}); {rest}."


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where sizes are tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}): the checkpoint is incomplete.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} is not a checkpoint's file: it holds no JSON object.")
    return values


def _flush(path: Path) -> None:
    """Make sure that the bytes of a file, or the names in a folder, are on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
