"""A column of the data and what it holds: what a user says of each side of a task, and how cells become raw data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from multimodel.errors import InputError
from multimodel.sources.wording import LONGEST_WORD, one_line, shown
from multimodel.tasks import audio, category, image, text, tree
from multimodel.tasks.cells import file_bytes, png_bytes, sound_bytes, words
from multimodel.tasks.column_options import MOST_CLASSES, check_options
from multimodel.tasks.features import Feature
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.vocabulary import Vocabulary

MOST_DIGITS = 18  # of the number of a class: Python reads no number of thousands of digits


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a column's feature may depend on besides its own words; `given` for an input.

    `values` gives the raw data of all training rows.
    """

    task: str
    given: bool
    settings: DataSettings
    vocabulary: Vocabulary
    values: Callable[[], Iterable[Any]]


@runtime_checkable
class Column(Protocol):
    """One side of a declared task."""

    kind: ClassVar[str]
    """The word for it in YAML."""
    measure: ClassVar[str]
    """How answers of this kind are scored, empty for what is only read."""
    adds: ClassVar[str]
    """What the vocabulary learns from it: `texts`, `trees` or nothing."""
    tells_apart: ClassVar[bool]
    """Whether the words of its cells tell examples apart."""
    reads_files: ClassVar[bool]
    """Whether its cells hold files, or name them."""

    @property
    def column(self) -> str:
        """Its name in the data."""

    def raw(self, cell: Any, file: Callable[[str], Path]) -> Any:
        """What the feature encodes; `file` finds files that cells name. Raises `InputError` for an unusable cell."""

    def feature(self, context: Context) -> Feature:
        """The feature of this column."""


@dataclass(frozen=True)
class Text:
    """Text, of at most `max_length` symbols."""

    kind: ClassVar[str] = "text"
    measure: ClassVar[str] = "translation"
    adds: ClassVar[str] = "texts"
    tells_apart: ClassVar[bool] = True
    reads_files: ClassVar[bool] = False

    column: str
    _: KW_ONLY
    max_length: int | None = None
    net: str = "text"

    def __post_init__(self) -> None:
        check_options(self)

    def raw(self, cell: Any, file: Callable[[str], Path]) -> str:
        """Text that is not blank; numbers become text."""
        return words(cell)

    def feature(self, context: Context) -> Feature:
        """Subwords of the shared vocabulary."""
        length = self.max_length or context.settings.max_symbols
        return text.Text(vocabulary=context.vocabulary, max_length=length, net=self.net)


@dataclass(frozen=True)
class Tree:
    """A parse tree in brackets, words included, of at most `max_length` symbols without the words."""

    kind: ClassVar[str] = "tree"
    measure: ClassVar[str] = "tree"
    adds: ClassVar[str] = "trees"
    tells_apart: ClassVar[bool] = True
    reads_files: ClassVar[bool] = False

    column: str
    _: KW_ONLY
    max_length: int | None = None
    net: str = "text"

    def __post_init__(self) -> None:
        check_options(self)

    def raw(self, cell: Any, file: Callable[[str], Path]) -> str:
        """The bracketed line; whether it is a tree is seen when it is encoded."""
        return words(cell)

    def feature(self, context: Context) -> Feature:
        """Brackets and tags of the shared vocabulary."""
        length = self.max_length or context.settings.max_tree_symbols
        return tree.Tree(vocabulary=context.vocabulary, max_length=length, net=self.net)


@dataclass(frozen=True)
class Image:
    """Pictures, as bytes or as paths, scaled to fit `side` pixels; `grey` ones take a third of the memory."""

    kind: ClassVar[str] = "image"
    measure: ClassVar[str] = ""
    adds: ClassVar[str] = ""
    tells_apart: ClassVar[bool] = False
    reads_files: ClassVar[bool] = True

    column: str
    _: KW_ONLY
    side: int | None = None
    grey: bool = False
    net: str = "image"

    def __post_init__(self) -> None:
        check_options(self)

    def raw(self, cell: Any, file: Callable[[str], Path]) -> bytes:
        """The bytes of an image file; a Pillow image is written as PNG."""
        if hasattr(cell, "save") and hasattr(cell, "mode"):
            return png_bytes(cell)
        return file_bytes(cell, file, "image")

    def feature(self, context: Context) -> Feature:
        """Pixels."""
        side = self.side or context.settings.caption_side
        return image.Image(height=side, width=side, channels=1 if self.grey else image.CHANNELS, net=self.net)


@dataclass(frozen=True)
class Audio:
    """Recordings, as bytes or as paths, of at most `max_seconds`, read as spectrograms."""

    kind: ClassVar[str] = "audio"
    measure: ClassVar[str] = ""
    adds: ClassVar[str] = ""
    tells_apart: ClassVar[bool] = False
    reads_files: ClassVar[bool] = True

    column: str
    _: KW_ONLY
    max_seconds: float | None = None
    net: str = "speech"

    def __post_init__(self) -> None:
        check_options(self)

    def raw(self, cell: Any, file: Callable[[str], Path]) -> bytes:
        """The bytes of an audio file."""
        return sound_bytes(cell, file)

    def feature(self, context: Context) -> Feature:
        """Log-mel energies."""
        settings = context.settings
        return audio.Spectrogram(
            sample_rate=settings.sample_rate,
            bins=settings.frequency_bins,
            max_seconds=self.max_seconds or settings.max_seconds,
            net=self.net,
        )


@dataclass(frozen=True)
class Waveform:
    """Recordings, as bytes or as paths, of at most `max_seconds`, read sample by sample."""

    kind: ClassVar[str] = "waveform"
    measure: ClassVar[str] = ""
    adds: ClassVar[str] = ""
    tells_apart: ClassVar[bool] = False
    reads_files: ClassVar[bool] = True

    column: str
    _: KW_ONLY
    max_seconds: float | None = None
    net: str = "waveform"

    def __post_init__(self) -> None:
        check_options(self)

    def raw(self, cell: Any, file: Callable[[str], Path]) -> bytes:
        """The bytes of an audio file."""
        return sound_bytes(cell, file)

    def feature(self, context: Context) -> Feature:
        """Samples."""
        seconds = self.max_seconds or context.settings.max_seconds
        return audio.Waveform(sample_rate=context.settings.sample_rate, max_seconds=seconds, net=self.net)


@dataclass(frozen=True)
class Category:
    """One of a fixed list of classes; without `classes` those of the training rows.

    A number that is no name of a class is a place in `classes`, from 0.
    Tasks that choose among the same classes may share a `net`; without one each task has its own.
    """

    kind: ClassVar[str] = "category"
    measure: ClassVar[str] = "class"
    adds: ClassVar[str] = ""
    tells_apart: ClassVar[bool] = False
    reads_files: ClassVar[bool] = False

    column: str
    _: KW_ONLY
    classes: Sequence[str] | None = None
    net: str | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.classes is not None:
            object.__setattr__(self, "classes", tuple(map(str, self.classes)))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.classes or ())

    def raw(self, cell: Any, file: Callable[[str], Path]) -> str:
        """The name of a class."""
        name = words(cell)
        if self.classes is None or name in self._known or not name.isdecimal():
            return name
        if len(name) > MOST_DIGITS or int(name) >= len(self.classes):
            number = one_line(name, LONGEST_WORD)
            raise InputError(f"The class is number {number}, and there are {len(self.classes)}, from 0.")
        return self.classes[int(name)]

    def feature(self, context: Context) -> Feature:
        """Raises `InputError` where there are fewer than two classes, or one for nearly every example."""
        names = tuple(self.classes) if self.classes is not None else tuple(sorted(set(context.values())))
        if not 2 <= len(names) <= MOST_CLASSES:
            raise InputError(
                f"Task {context.task}: column {shown(self.column)} has {len(names)} classes in the training rows, "
                f"and a category needs 2 to {MOST_CLASSES:,}."
            )
        own = one_line(f"{context.task}-{self.column}", LONGEST_WORD).replace(".", "-")
        return category.Category(names=names, net=self.net or own, given=context.given)


COLUMNS: dict[str, Callable[..., Column]] = {
    "text": Text,
    "tree": Tree,
    "image": Image,
    "audio": Audio,
    "waveform": Waveform,
    "category": Category,
}


def column_json(column: Any) -> dict[str, Any]:
    """A column as YAML has it: `{text: review, max_length: 64}`; what is at its default is left out."""
    values = asdict(column)
    defaults = asdict(type(column)(column.column))
    given = {name: value for name, value in values.items() if value != defaults[name]}
    return {column.kind: column.column, **given}
