"""Files that a user names."""

from __future__ import annotations

from pathlib import Path

from multimodel.errors import InputError


def read_bytes(path: Path, what: str) -> bytes:
    """The whole file; raises `InputError` if it is missing, a folder, unreadable or empty."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give the path of an {what} file.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an {what} file: {error}.") from error
    if not raw:
        raise InputError(f"{path} is empty: give an {what} file.")
    return raw
