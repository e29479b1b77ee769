"""Checksums of a folder's files, in the form of `sha256sum`: whoever doubts a copy can ask `sha256sum -c`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from multimodel.errors import InputError

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """List the checksum of every file in the folder."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).write_text("".join(f"{sum_of(path)}  {path.name}\n" for path in files), encoding="utf-8")


def check_sum(path: Path) -> None:
    """Raise `InputError` for a file that is missing, or no longer is what was written."""
    listed = path.parent / SUMS
    try:
        lines = listed.read_text(encoding="utf-8").splitlines()
        found = sum_of(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{error_path(error, listed)} cannot be read: the checkpoint is incomplete.") from error
    if f"{found}  {path.name}" not in lines:
        raise InputError(
            f"{path} is damaged, or was changed: its checksum is not the one in {SUMS}. "
            f"Copy it again, or remove {path.parent} to go on from an older checkpoint."
        )


def sum_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def error_path(error: Exception, otherwise: Path) -> str:
    """The file that an error is about."""
    return str(getattr(error, "filename", None) or otherwise)
