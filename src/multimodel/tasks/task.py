"""A task: which data goes in, which comes out, and the command that asks for it (paper, section 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, overload, runtime_checkable

from multimodel.batch import Net, Route
from multimodel.errors import InputError
from multimodel.tasks.columns import COLUMNS, Column
from multimodel.tasks.declaration import Declaration, declaration_from_json
from multimodel.tasks.features import FEATURES, Feature, feature_from_json
from multimodel.tasks.vocabulary import Vocabulary

MEASURES = ("transcript", "class", "caption", "tree", "translation")
TRAIN, DEV, TEST = "train", "dev", "test"


class Example(NamedTuple):
    """One raw example: its `input` and `output` are what the task's two features encode."""

    id: str
    input: Any
    output: Any


@runtime_checkable
class Split(Protocol):
    """The examples of one split, in memory or read when they are asked for; a tuple of examples is one."""

    def __len__(self) -> int:
        """How many there are."""

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Split: ...
    def __getitem__(self, place: int | slice) -> Example | Split:
        """One, or some; raises `InputError` for one that cannot be read."""

    def __iter__(self) -> Iterator[Example]:
        """All, in order."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task of a mixture.

    `measure` says how answers are scored; `examples` are kept by split and may be empty where a model is only used;
    `rate` multiplies the task's weight in a mixture; `origin` says where the examples are found again.
    """

    name: str
    input: Feature
    output: Feature
    command: str
    measure: str
    examples: Mapping[str, Split] = field(default_factory=dict, repr=False, compare=False)
    rate: float = 1.0
    origin: Declaration | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise InputError(f"Task {self.name}: there is no measure {self.measure!r}, only {', '.join(MEASURES)}.")
        if not 0 < self.rate < float("inf"):
            raise InputError(f"Task {self.name}: the rate is {self.rate} and must be above 0.")

    @property
    def route(self) -> Route:
        """The way of this task's batches through the model."""
        return Route(bottom=self.input.net, top=self.output.net, command=self.command)

    def to_json(self) -> dict[str, Any]:
        """Everything but the examples."""
        return {
            "name": self.name,
            "input": self.input.to_json(),
            "output": self.output.to_json(),
            "command": self.command,
            "measure": self.measure,
            "rate": self.rate,
            "origin": self.origin and self.origin.to_json(),
        }


def task_from_json(
    values: dict[str, Any],
    vocabulary: Vocabulary,
    features: Mapping[str, Callable[[dict[str, Any], Vocabulary], Feature]] = FEATURES,
    columns: Mapping[str, Callable[..., Column]] = COLUMNS,
) -> Task:
    """The task that `to_json` wrote, without examples; raises `InputError` for wrong fields."""
    try:
        ends = {end: feature_from_json(values[end], vocabulary, features) for end in ("input", "output")}
        origin = values["origin"] and declaration_from_json(values["origin"], columns)
        return Task(**{**values, **ends, "origin": origin})
    except (TypeError, KeyError) as error:
        raise InputError(f"The settings of this task are wrong: {error}.") from error


def nets(tasks: Iterable[Task]) -> dict[str, Net]:
    """The modality nets that these tasks need together.

    Raises `InputError` if two tasks have one name, or want unlike nets under one name.
    """
    found: dict[str, Net] = {}
    names: set[str] = set()
    for task in tasks:
        if task.name in names:
            raise InputError(f"There are two tasks named {task.name}: give each its own name.")
        names.add(task.name)
        for feature in (task.input, task.output):
            known = found.setdefault(feature.net, feature.spec)
            if known != feature.spec:
                raise InputError(
                    f"Task {task.name} wants the net {feature.net!r} as {feature.spec}, another task as {known}: "
                    "name one of the two nets differently."
                )
    return found
