"""What the options of a column may be: checked when a task is declared, before any data is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from math import isfinite
from typing import Any

from multimodel.errors import InputError

MOST_CLASSES = 100_000


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and value > 0


def _are_classes(value: Any) -> bool:
    names = value if isinstance(value, list | tuple) else ()
    if not all(type(name) in (str, int) and str(name) == str(name).strip() != "" for name in names):
        return False
    return 2 <= len(set(map(str, names))) == len(names) <= MOST_CLASSES


OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "column": (lambda value: isinstance(value, str) and value != "", "the name of a column"),
    "net": (lambda value: isinstance(value, str) and value != "" and "." not in value, "a name without dots"),
    "max_length": (_is_size, "a whole number above 0"),
    "side": (_is_size, "a whole number above 0"),
    "max_seconds": (_is_duration, "a number above 0"),
    "grey": (lambda value: isinstance(value, bool), "true or false"),
    "classes": (_are_classes, "a list of two names or more, all different; yes, no, on and off in quotes"),
}


def check_option(kind: str, option: str, value: Any) -> None:
    """Raise `InputError` for a value that an option cannot have; those of kinds from elsewhere check themselves."""
    allowed, meant = OPTIONS.get(option, (lambda value: True, ""))
    if not allowed(value):
        raise InputError(f"The {option} of a column of kind {kind} is {value!r} and must be {meant}.")


def check_options(column: Any) -> None:
    """`check_option` for each that is not at its default."""
    for option in fields(column):
        value = getattr(column, option.name)
        if value != option.default:
            check_option(column.kind, option.name, value)
