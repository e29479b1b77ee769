"""What the options of a column may be: checked when a task is declared, before any data is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from multimodel.errors import InputError
from multimodel.sources.wording import shown

MOST_CLASSES = 100_000
LARGEST = 10**9  # pixels, symbols or seconds
LONGEST_NAME = 100  # letters of a name that stands in files and tables


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value <= LARGEST


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= LARGEST


def is_name(value: Any) -> bool:
    """Whether it can name a net, a command or a task: without dots, line breaks, control characters and surrogates."""
    return (
        isinstance(value, str)
        and value != ""
        and "." not in value
        and value.isprintable()
        and len(value) <= LONGEST_NAME
    )


def _are_classes(value: Any) -> bool:
    names = value if isinstance(value, list | tuple) else ()
    if any(type(name) is int and abs(name) > LARGEST for name in names):
        return False
    if not all(type(name) in (str, int) and str(name) == str(name).strip() != "" for name in names):
        return False
    return 2 <= len(set(map(str, names))) == len(names) <= MOST_CLASSES


OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "column": (lambda value: isinstance(value, str) and value != "", "the name of a column"),
    "net": (is_name, f"a name without dots, of at most {LONGEST_NAME} letters that can be printed"),
    "max_length": (_is_size, f"a whole number above 0, {LARGEST:,} at most"),
    "side": (_is_size, f"a whole number above 0, {LARGEST:,} at most"),
    "max_seconds": (_is_duration, f"a number above 0, {LARGEST:,} at most"),
    "grey": (lambda value: isinstance(value, bool), "true or false"),
    "classes": (_are_classes, "a list of two names or more, all different; yes, no, on and off in quotes"),
}


def check_option(kind: str, option: str, value: Any) -> None:
    """Raise `InputError` for a value that an option cannot have; those of kinds from elsewhere check themselves."""
    allowed, meant = OPTIONS.get(option, (lambda value: True, ""))
    if not allowed(value):
        raise InputError(f"The {option} of a column of kind {kind} is {shown(value)} and must be {meant}.")


def check_options(column: Any) -> None:
    """`check_option` for each that is not at its default."""
    for option in fields(column):
        value = getattr(column, option.name)
        if value != option.default:
            check_option(column.kind, option.name, value)
