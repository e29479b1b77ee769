"""Files that a user or a table names: only regular ones are opened, and none is read without bound."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from multimodel.errors import InputError
from multimodel.sources.wording import LONGEST_WORD, one_line

LARGEST_FILE = 2**28  # bytes of one picture or recording: 50 million pixels unpacked are less


def stamp(path: Path) -> bytes:
    """What changes with a file, or when it appears."""
    try:
        found = os.stat(path)
        return f"{found.st_size}:{found.st_mtime_ns}\n".encode()
    except (OSError, ValueError):
        return b"missing\n"


def read_bytes(path: Path, what: str) -> bytes:
    """The whole file; raises `InputError` if it is missing, no regular file, too large, unreadable or empty."""
    name, advice = _named(path), f"give an {what} file"
    try:
        size = bounded_size(path)
        with path.open("rb") as opened:
            raw = opened.read(size)  # and no more, where it grows meanwhile
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist: give the path of an {what} file.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} cannot be read as an {what} file: {_why(error)}.") from error
    if not raw:
        raise InputError(f"{name} is empty: {advice}.")
    return raw


def bounded_size(path: Path) -> int:
    """Bytes of a regular file that a cell names; raises `InputError` for one that is too large, else `OSError`."""
    size = regular_size(path)
    if size > LARGEST_FILE:
        raise InputError(
            f"{_named(path)} is too large: of a file that the data names at most {LARGEST_FILE // 2**20} MiB are read."
        )
    return size


def check_regular(path: Path) -> None:
    """Raise `InputError` for what is no regular file: a pipe would wait for ever, a device never end."""
    try:
        regular_size(path)
    except (FileNotFoundError, ValueError) as error:  # no name of a file holds a NUL or a lone surrogate
        raise InputError(f"{_named(path)} does not exist: give the path of the data.") from error
    except OSError as error:
        raise InputError(f"{_named(path)} cannot be read: {_why(error)}.") from error


def regular_size(path: Path) -> int:
    """Bytes of a regular file, symbolic links followed; raises `OSError` for anything else before it is opened."""
    found = os.stat(path)
    if not S_ISREG(found.st_mode):
        raise OSError(0, "it is a folder" if S_ISDIR(found.st_mode) else "it is a pipe or a device, not a file")
    return found.st_size


def _named(path: Path) -> str:
    return one_line(str(path), LONGEST_WORD)


def _why(error: OSError | ValueError) -> str:
    """Without the path, which the message names already."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
