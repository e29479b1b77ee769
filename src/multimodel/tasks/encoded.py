"""A split of a task as arrays, made once before training and kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import numpy as np
from rich.console import Console
from rich.progress import track

from multimodel.errors import InputError
from multimodel.sources.rows import content_fingerprint
from multimodel.tasks.arrays import Arrays, Writer, mapped
from multimodel.tasks.examples import Examples
from multimodel.tasks.task import Example, Split, Task
from multimodel.tasks.tree import check_words

CACHE_FORMAT = "2"  # raise when an encoding changes without its settings
CHUNK = 512
ROOM = 2**29  # bytes of raw data in memory at a time
LETTER = 16  # bytes for each letter, until it is an id
NAMED = 10
SIDES = ("inputs", "outputs")
INDEX = "index"
THIS = uuid.uuid4().hex  # a process, on whichever machine; numbers of processes are the same on several

Pair = tuple[np.ndarray, np.ndarray]
"""The arrays of an example's input and output."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Examples as arrays, in the order of the task's examples.

    `rows` says where in `task.examples[split]` each came from; `too_long` counts those that were left out, `bad` names
    those that could not be used; `input_costs` and `output_lengths`, (n,), are body positions and symbols.
    """

    inputs: Arrays
    outputs: Arrays
    input_costs: np.ndarray
    rows: np.ndarray
    too_long: int
    bad: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def output_lengths(self) -> np.ndarray:
        """Symbols of each output, (n,)."""
        return self.outputs.shapes[:, 0]

    def take(self, places: np.ndarray) -> Encoded:
        """Some of the examples."""
        return Encoded(
            inputs=self.inputs.take(places),
            outputs=self.outputs.take(places),
            input_costs=self.input_costs[places],
            rows=self.rows[places],
            too_long=self.too_long,
            bad=self.bad,
        )


def encode_examples(
    task: Task,
    split: str,
    *,
    cache: Path | None = None,
    limit: int | None = None,
    progress: bool = False,
    most_bad: float = 0.0,
) -> Encoded:
    """Encode the first `limit` examples of a split; those longer than the task's features allow are left out.

    With the folder `cache` nothing is encoded twice, and nothing kept in memory. Raises `InputError` for a split that
    is missing, empty or all too long, and, naming them, where more than the share `most_bad` of its examples cannot be
    used.
    """
    examples = task.examples.get(split, ())[:limit]
    if not examples:
        raise InputError(f"Task {task.name} has no {split} examples.")
    path = None if cache is None else cache / _key(task, examples)
    found = (path and _load(path)) or _made(task, split, examples, path, progress)
    if len(found.bad) > most_bad * len(examples):
        raise InputError(_account(f"{task.name} {split}", found.bad, len(examples), most_bad))
    if not len(found):
        raise InputError(
            f"No {split} example of task {task.name} can be used: {found.too_long:,} are longer than its limits"
            + (f", {len(found.bad):,} are bad." if found.bad else ".")
        )
    return found


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
        inputs=encoded.inputs.take(partner),
        outputs=encoded.outputs,
        input_costs=encoded.input_costs[partner],
        rows=encoded.rows,
        too_long=encoded.too_long,
        bad=encoded.bad,
    )


def _made(task: Task, split: str, examples: Split, path: Path | None, progress: bool) -> Encoded:
    """Encoded anew; nothing unfinished stays behind, not even on interruption."""
    try:
        return _encode(task, split, examples, path, progress)
    finally:
        if path is not None:
            for name in (*SIDES, INDEX):
                _unfinished(path, name).unlink(missing_ok=True)


def _encode(task: Task, split: str, examples: Split, path: Path | None, progress: bool) -> Encoded:
    costs, rows, bad, too_long = [], [], [], 0
    with ExitStack() as files:
        writers = [Writer(_part(path, side, files)) for side in SIDES]
        for row, (_, pair) in enumerate(each_example(task, split, examples, progress=progress)):
            if isinstance(pair, str):
                bad.append(pair)
            elif not (task.input.fits(pair[0]) and task.output.fits(pair[1])):
                too_long += 1
            else:
                costs.append(task.input.cost(pair[0]))
                rows.append(row)
                for writer, array in zip(writers, pair, strict=True):
                    writer.add(array)
    index = {
        "costs": np.array(costs, dtype=np.int64),
        "rows": np.array(rows, dtype=np.int64),
        "too_long": np.array(too_long),
        "bad": np.frombuffer(json.dumps(bad).encode(), dtype=np.uint8),  # text would be as wide as its longest line
        **{f"{side} shapes": writer.shapes for side, writer in zip(SIDES, writers, strict=True)},
        **{f"{side} type": np.array(writer.dtype.str) for side, writer in zip(SIDES, writers, strict=True)},
    }
    if path is None or not rows:
        return _from_index(index, *(writer.arrays() for writer in writers))
    return _save(path, index)


def each_example(
    task: Task, split: str, examples: Split, *, progress: bool = False
) -> Iterable[tuple[Example | None, Pair | str]]:
    """Every example in order with its arrays, or why there are none; no example where it cannot be read.

    A few hundred are in memory at a time. Progress is shown on a terminal.
    """
    console = Console(stderr=True)
    hidden = not (progress and console.is_terminal)
    label, pairs = f"{task.name} {split}", _pairs(task, examples)
    return track(pairs, label, len(examples), console=console, transient=True, disable=hidden)


def _pairs(task: Task, examples: Split) -> Iterator[tuple[Example | None, Pair | str]]:
    start = 0
    while start < len(examples):
        chunk = examples[start : start + CHUNK]
        try:
            read = _first(chunk)
            _check(task, read)
            inputs = task.input.encode_many([example.input for example in read])
            outputs = task.output.encode_many([example.output for example in read])
            yield from list(zip(read, zip(inputs, outputs, strict=True), strict=True))
            start += len(read)
        except InputError:
            for place in range(len(chunk)):
                yield _pair(task, chunk, place)
            start += len(chunk)


def _first(chunk: Split) -> list[Example]:
    """As many of these as there is room for, one at least."""
    read: list[Example] = []
    size = 0
    for example in chunk:
        read.append(example)
        size += _weight(example.input) + _weight(example.output)
        if size > ROOM:
            break
    return read


def _weight(raw: object) -> int:
    """Bytes that a raw value takes, its encoding included."""
    if isinstance(raw, str):
        return LETTER * len(raw)
    return len(raw) if isinstance(raw, bytes) else 0


def _pair(task: Task, examples: Split, place: int) -> tuple[Example | None, Pair | str]:
    try:
        example = examples[place]
    except InputError as error:
        return None, str(error)
    try:
        pair = task.input.encode(example.input), task.output.encode(example.output)
        _check(task, [example])
        return example, pair
    except InputError as error:
        return example, f"example {example.id}: {error}"


def _check(task: Task, examples: Sequence[Example]) -> None:
    """Raise `InputError` where the two sides of an example do not belong together, as only trees can fail to."""
    if task.measure == "tree":
        for example in examples:
            check_words(example.output, example.input)


def _account(label: str, bad: Sequence[str], count: int, most: float) -> str:
    """Which examples are bad."""
    more = [f"… and {len(bad) - NAMED:,} more."] if len(bad) > NAMED else []
    head = f"{label}: {len(bad):,} of {count:,} examples cannot be used, and {most:.1%} may be so (option most-bad):"
    return "\n  ".join([head, *bad[:NAMED], *more])


def _key(task: Task, examples: Split) -> str:
    """Name of the cache entry: changes with the settings, the vocabulary and the data."""
    if isinstance(examples, Examples):
        data = examples.fingerprint
    else:
        data = content_fingerprint([value for example in examples for value in example])
    features = [task.input.to_json(), task.output.to_json(), task.input.version, task.output.version]
    return hashlib.blake2b(json.dumps([CACHE_FORMAT, features, data]).encode(), digest_size=16).hexdigest()


def _part(path: Path | None, side: str, files: ExitStack) -> IO[bytes] | None:
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    return files.enter_context(_unfinished(path, side).open("wb"))


def _unfinished(path: Path, name: str) -> Path:
    return path.with_suffix(f".{name}.{THIS}-{os.getpid()}.part")


def _save(path: Path, index: dict[str, np.ndarray]) -> Encoded:
    """Give the written arrays their names; the index comes last and so marks the whole."""
    with _unfinished(path, INDEX).open("wb") as part:
        np.savez(part, **index)  # type: ignore[arg-type]  # one of its names is taken, by a flag
    for side in SIDES:
        os.replace(_unfinished(path, side), path.with_suffix(f".{side}"))
    os.replace(_unfinished(path, INDEX), path.with_suffix(f".{INDEX}.npz"))
    found = _load(path)
    if found is None:
        raise InputError(f"{path} was written and cannot be read again: look at its disk.")
    return found


def _load(path: Path) -> Encoded | None:
    """Views into the mapped files, `None` if there is no whole entry."""
    try:
        with path.with_suffix(f".{INDEX}.npz").open("rb") as file, np.load(file, allow_pickle=False) as opened:
            index = dict(opened)
        arrays = [
            mapped(path.with_suffix(f".{side}"), np.dtype(str(index[f"{side} type"])), index[f"{side} shapes"])
            for side in SIDES
        ]
        return _from_index(index, *arrays)
    except (OSError, ValueError, EOFError, LookupError, TypeError, RuntimeError, BadZipFile):
        return None


def _from_index(index: dict[str, np.ndarray], inputs: Arrays, outputs: Arrays) -> Encoded:
    return Encoded(
        inputs=inputs,
        outputs=outputs,
        input_costs=index["costs"],
        rows=index["rows"],
        too_long=int(index["too_long"]),
        bad=tuple(json.loads(index["bad"].tobytes())),
    )
