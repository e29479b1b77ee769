"""A task as its user declares it: data, two columns, and a few words; in Python as a value, in YAML as a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from multimodel.errors import InputError
from multimodel.sources.files import regular_size
from multimodel.sources.rows import nearest
from multimodel.sources.wording import LONGEST_WORD, one_line, shown
from multimodel.tasks.column_options import LARGEST, LONGEST_NAME, check_option, is_name
from multimodel.tasks.columns import COLUMNS, Column, column_json

RESERVED = ("all", "mean", "none")  # words for several tasks, or for no task, where names of tasks stand
LARGEST_FILE = 100_000  # bytes: a declaration is a few lines
LEAST_RATE = 1e-6  # and most, one to it: shares of rates are still numbers when they are divided by each other
MOST_ROWS = 10**12
REAL = ("rate", "held_out", "max_seconds")
NOT_IN_NAMES = "./\\,"
ALLOWED = {"text": ("translation", "transcript", "caption"), "category": ("class",), "tree": ("tree",)}
# What is written out of something else is a transcript of sound and a caption of a picture.
MEASURES = {("audio", "text"): "transcript", ("waveform", "text"): "transcript", ("image", "text"): "caption"}


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A task before its data is read.

    `data` is what `open_data` takes: a path, several, `hub:NAME`, a list of dicts, a data frame, or these by split.
    Paths are relative to `folder`. Without a measure the output's own is used, without a command `to-` and the name.
    Rows are told apart by the column `id`, divided by the column `split`, and without one by a hash of the input where
    it is text or paths, else of the `id`, else of the output's text: `held_out` of them for each of dev and test. The
    `hint` is what to do where the data is missing.
    """

    name: str
    data: Any = field(repr=False)
    input: Column
    output: Column
    command: str = ""
    measure: str = ""
    rate: float = 1.0
    layout: str | None = None
    limit: int | None = None
    split: str | None = None
    id: str | None = None
    held_out: float = 0.05
    folder: Path = Path()
    hint: str = ""

    def __post_init__(self) -> None:
        if self.name in RESERVED:
            raise InputError(f"A task cannot be named {self.name}, which is a word of its own: give it another name.")
        if not is_name(self.name) or any(letter in NOT_IN_NAMES or letter.isspace() for letter in self.name):
            raise InputError(
                f"A task cannot be named {shown(self.name)}: give it a name without dots, commas, slashes and spaces, "
                f"of at most {LONGEST_NAME} letters that can be printed."
            )
        if self.command and not is_name(self.command):
            raise InputError(
                f"Task {self.name}: the command is {shown(self.command)} and must be without dots, of at most "
                f"{LONGEST_NAME} letters that can be printed."
            )
        if not self.output.measure:
            raise InputError(f"Task {self.name}: {self.output.kind} is no output; give text, tree or category.")
        allowed = ALLOWED.get(self.output.kind, (self.output.measure,))
        if self.measure and self.measure not in allowed:
            raise InputError(
                f"Task {self.name}: {shown(self.measure)} is no measure of {self.output.kind}: "
                f"give {', '.join(allowed)}."
            )
        if self.output.kind == "tree" and self.input.kind != "text":
            raise InputError(f"Task {self.name}: a tree is made of the words of a text, not of {self.input.kind}.")
        if not LEAST_RATE <= self.rate <= 1 / LEAST_RATE:
            raise InputError(
                f"Task {self.name}: the rate is {self.rate} and must be above 0, from {LEAST_RATE:g} to "
                f"{1 / LEAST_RATE:g}."
            )
        if not 0 < self.held_out < 0.5:
            raise InputError(f"Task {self.name}: held_out is {self.held_out} and must be above 0 and below 0.5.")
        if self.limit is not None and not 1 <= self.limit <= MOST_ROWS:
            raise InputError(
                f"Task {self.name}: the limit is {shown(self.limit)} and must be above 0, {MOST_ROWS:,} at most."
            )

    @property
    def task_command(self) -> str:
        """The command as it is declared, or what follows from the name."""
        return self.command or f"to-{self.name}"

    @property
    def task_measure(self) -> str:
        """The measure as it is declared, or what follows from the kinds of both sides."""
        return self.measure or MEASURES.get((self.input.kind, self.output.kind), self.output.measure)

    def to_json(self) -> dict[str, Any]:
        """As in YAML, with the folder; data given in Python is left out, since only its owner can give it again."""
        fields = [one for one in dataclasses.fields(self) if one.name not in ("data", "input", "output")]
        values = {one.name: getattr(self, one.name) for one in fields if getattr(self, one.name) != one.default}
        data = {"data": _paths(self.data)} if _on_disk(self.data) else {}
        sides = {"input": column_json(self.input), "output": column_json(self.output)}
        return {**values, **sides, "data": None, **data, "folder": str(self.folder.absolute())}


def declaration_from_json(
    values: Mapping[str, Any], columns: Mapping[str, Callable[..., Column]] = COLUMNS
) -> Declaration:
    """What `to_json` wrote, or YAML says; raises `InputError` naming the nearest key for one that is unknown."""
    known = [one.name for one in dataclasses.fields(Declaration)]
    for key in values:
        if key not in known:
            raise InputError(f"There is no key {shown(key)}: {nearest(_word(key), known)}")
    for key in ("name", "data", "input", "output"):
        if key not in values:
            raise InputError(f"The key {key!r} is missing: a task needs name, data, input and output.")
    _check_types(values)
    sides = {side: _column(side, values[side], columns) for side in ("input", "output")}
    plain = {key: _plain(key, value) for key, value in values.items()}
    return Declaration(**{**plain, **sides, "folder": Path(values.get("folder", ""))})


def read_declaration(path: Path, columns: Mapping[str, Callable[..., Column]] = COLUMNS) -> Declaration:
    """The task of a YAML file; its name is the file's where it gives none, its paths are relative to the file."""
    values = _yaml(path)
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold keys and values, as in `data: reviews.csv`.")
    given = {key: value for key, value in values.items() if value is not None}
    try:
        if "folder" in given:
            raise InputError("There is no key 'folder' in files: paths are relative to the file.")
        return declaration_from_json({"name": path.stem, **given, "folder": str(path.parent)}, columns)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _yaml(path: Path) -> Any:
    try:
        regular_size(path)
        with path.open("rb") as opened:
            raw = opened.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{one_line(str(path), LONGEST_WORD)} cannot be read: {why}.") from error
    if len(raw) > LARGEST_FILE:
        raise InputError(f"{path} is larger than {LARGEST_FILE:,} bytes: a task is declared in a few lines.")
    try:
        return yaml.load(raw.decode("utf-8"), _Loader)
    except Exception as error:  # PyYAML raises what it stumbles over, such as KeyError for `!!bool maybe`
        why = one_line(" ".join(str(error).split()), 2 * LONGEST_WORD)
        raise InputError(f"{path} is not YAML: {why}.") from error


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """YAML without anchors: nothing is written twice in a few lines, and aliases of aliases grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Refuse a key that is given twice, of which YAML would silently take the last."""
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if str(key.value) in seen:
                raise yaml.YAMLError(f"the key {key.value!r} is given twice")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("name", "command", "measure", "hint"), (str,)),
    **dict.fromkeys(("layout", "split", "id"), (str, type(None))),
    **dict.fromkeys(("rate", "held_out"), (int, float)),
    "limit": (int, type(None)),
    "data": (str, list, dict, type(None)),
}


def _check_types(values: Mapping[str, Any]) -> None:
    for key, allowed in TYPES.items():
        value = values.get(key, "" if str in allowed else 0)
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise InputError(f"The key {key!r} is {shown(value)} and must be {_type_words(allowed)}.")


def _type_words(allowed: tuple[type, ...]) -> str:
    number = "a number" if float in allowed else "a whole number"
    words = {str: "text", int: number, float: number, list: "a list", dict: "keys and values"}
    return " or ".join(dict.fromkeys(words[one] for one in allowed if one in words))


def _column(side: str, values: Any, columns: Mapping[str, Callable[..., Column]]) -> Column:
    """`{text: review, max_length: 64}` as a column."""
    if not isinstance(values, Mapping):
        raise InputError(
            f"The {side} is {shown(values)} and must be a kind with its column, as in `{side}: {{text: review}}`."
        )
    kinds = [key for key in values if key in columns]
    if len(kinds) != 1:
        word = next(iter(values), "") if not kinds else " and ".join(kinds)
        raise InputError(f"The {side} needs one kind, not {shown(word)}: {nearest(_word(word), tuple(columns))}")
    column = values[kinds[0]]
    if not isinstance(column, str | int) or isinstance(column, bool) or _is_huge(column):
        raise InputError(
            f"The {side} is {shown(dict(values))} and must name a column, as in `{side}: {{text: review}}`."
        )
    made, options = columns[kinds[0]], {key: value for key, value in values.items() if key != kinds[0]}
    known = {one.name: one.default for one in dataclasses.fields(made) if one.name != "column"}  # type: ignore[arg-type]
    for key, value in options.items():
        if key not in known:
            raise InputError(
                f"A column of kind {kinds[0]} has no option {shown(key)}: {nearest(_word(key), tuple(known))}"
            )
        if value != known[key]:
            check_option(kinds[0], key, value)
    return made(str(column), **{key: _plain(key, value) for key, value in options.items()})


def _plain(key: str, value: Any) -> Any:
    """A whole number where any number may stand is one, too; numbers in the list of classes are names."""
    if key in REAL and type(value) is int:
        return float("inf") if _is_huge(value) else float(value)
    if key == "classes" and isinstance(value, list):
        return [str(one) if type(one) is int else one for one in value]
    return value


def _word(key: Any) -> str:
    """A key as it was written, to find the nearest one."""
    return key if isinstance(key, str) else shown(key)


def _is_huge(value: Any) -> bool:
    """Whether this is a whole number that no fraction holds."""
    return isinstance(value, int) and abs(value) > LARGEST**2


def _on_disk(data: Any) -> bool:
    """Whether the data can be found again by its words."""
    if isinstance(data, Mapping):
        return all(map(_on_disk, data.values()))
    if isinstance(data, list | tuple):
        return bool(data) and all(isinstance(part, str | Path) for part in data)
    return isinstance(data, str | Path)


def _paths(data: Any) -> Any:
    """Paths as text."""
    if isinstance(data, Mapping):
        return {split: _paths(part) for split, part in data.items()}
    return [str(part) for part in data] if isinstance(data, list | tuple) else str(data)
