"""A split of a task as arrays, made once before training; what is slow to make is kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from rich.console import Console
from rich.progress import track

from multimodel.errors import InputError
from multimodel.tasks.features import Feature
from multimodel.tasks.task import Example, Task

CACHE_FORMAT = "1"  # raise when an encoding changes without its settings


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Examples as arrays, in the order of the task's examples.

    `rows` says where in `task.examples[split]` each came from; `too_long` counts those that were left out;
    `input_costs` and `output_lengths`, (n,), are body positions and symbols.
    """

    inputs: Sequence[np.ndarray]
    outputs: Sequence[np.ndarray]
    input_costs: np.ndarray
    output_lengths: np.ndarray
    ids: Sequence[str]
    rows: np.ndarray
    too_long: int

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def costs(self) -> np.ndarray:
        """Input cost and output length together, (n,)."""
        return self.input_costs + self.output_lengths


def encode_examples(
    task: Task, split: str, *, cache: Path | None = None, limit: int | None = None, progress: bool = False
) -> Encoded:
    """Encode the first `limit` examples of a split; those longer than the task's features allow are left out.

    `cache` is a folder for what is slow to encode, sound and pictures. Raises `InputError` for a split that is missing
    or empty, and for a damaged example, which it names.
    """
    examples = task.examples.get(split, ())[:limit]
    if not examples:
        raise InputError(f"Task {task.name} has no {split} examples.")
    label = f"{task.name} {split}"
    inputs = _encode(task.input, [example.input for example in examples], examples, label, cache, progress)
    outputs = _encode(task.output, [example.output for example in examples], examples, label, None, progress)
    fits = [task.input.fits(given) and task.output.fits(wanted) for given, wanted in zip(inputs, outputs, strict=True)]
    rows = [row for row, whole in enumerate(fits) if whole]
    if not rows:
        raise InputError(f"All {len(examples)} {split} examples of task {task.name} are longer than its limits.")
    kept = [inputs[row] for row in rows]
    return Encoded(
        inputs=kept,
        outputs=[outputs[row] for row in rows],
        input_costs=np.array([task.input.cost(array) for array in kept], dtype=np.int64),
        output_lengths=np.array([len(outputs[row]) for row in rows], dtype=np.int64),
        ids=[examples[row].id for row in rows],
        rows=np.array(rows),
        too_long=len(examples) - len(rows),
    )


def shuffled_inputs(encoded: Encoded, seed: int) -> Encoded:
    """The same outputs, each with the input of another example: what a model scores without looking at its input.

    A plain derangement: partners are not matched by length or class, and may by chance have equal inputs
    (two captions of one picture) or equal outputs (two pictures of one class).
    """
    if len(encoded) < 2:
        raise InputError("Shuffling inputs needs at least two examples.")
    cycle = np.random.default_rng(seed).permutation(len(encoded))
    partner = np.empty_like(cycle)
    partner[cycle] = np.roll(cycle, 1)  # one cycle through all examples: nobody keeps its own input
    return Encoded(
        inputs=[encoded.inputs[other] for other in partner],
        outputs=encoded.outputs,
        input_costs=encoded.input_costs[partner],
        output_lengths=encoded.output_lengths,
        ids=encoded.ids,
        rows=encoded.rows,
        too_long=encoded.too_long,
    )


def _encode(
    feature: Feature,
    raws: Sequence[object],
    examples: Sequence[Example],
    label: str,
    cache: Path | None,
    progress: bool,
) -> Sequence[np.ndarray]:
    if not feature.costly:
        return list(_named(feature.encode_many(raws), examples, label))
    path = None if cache is None else cache / _key(feature, raws)
    found = None if path is None else _load(path, len(raws))
    if found is not None:
        return found
    console = Console(stderr=True)
    shown = progress and console.is_terminal
    arrays = track(feature.encode_many(raws), label, len(raws), console=console, transient=True, disable=not shown)
    encoded = list(_named(arrays, examples, label))
    if path is not None:
        _save(path, encoded)
    return encoded


def _named(arrays: Iterable[np.ndarray], examples: Sequence[Example], label: str) -> Iterator[np.ndarray]:
    """The same arrays; an error says which example it is about."""
    position = 0
    try:
        for array in arrays:
            yield array
            position += 1
    except InputError as error:
        raise InputError(f"{label}, example {examples[position].id}: {error}") from error


def _key(feature: Feature, raws: Sequence[object]) -> str:
    """Name of the cache entry: changes with the settings and with any byte of the raw data."""
    digest = hashlib.blake2b(json.dumps([CACHE_FORMAT, feature.to_json()]).encode(), digest_size=16)
    for raw in raws:
        digest.update(hashlib.blake2b(raw if isinstance(raw, bytes) else repr(raw).encode()).digest())
    return digest.hexdigest()


def _save(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """All arrays end to end in one file, their shapes in another that is written last and so marks the whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path.with_suffix(".values.npy"), np.concatenate([array.ravel() for array in arrays]))
    _write(path.with_suffix(".shapes.npy"), np.array([array.shape for array in arrays], dtype=np.int64))


def _write(path: Path, values: np.ndarray) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=path.stem, suffix=".part", delete=False) as part:
        np.save(part, values, allow_pickle=False)
    os.replace(part.name, path)


def _load(path: Path, count: int) -> Sequence[np.ndarray] | None:
    """Views into the memory-mapped values, `None` if there is no whole entry."""
    try:
        shapes = np.load(path.with_suffix(".shapes.npy"), allow_pickle=False)
        values = np.asarray(np.load(path.with_suffix(".values.npy"), mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None
    sizes = shapes.prod(axis=1)
    if len(shapes) != count or int(sizes.sum()) != len(values):
        return None
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes.tolist(), strict=True)]
