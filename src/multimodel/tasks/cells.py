"""Cells of tables as raw data: text, and the bytes of pictures and sounds, however they were given."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from multimodel.errors import InputError
from multimodel.sources.files import read_bytes
from multimodel.sources.wording import LONGEST_WORD, one_line

LONGEST_TEXT = 1_000_000  # letters of one text: tasks read sentences, and a book takes a second and 100 MB to encode
PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")


def words(cell: Any) -> str:
    """Text or a number as text, without blanks around it; raises `InputError` for anything else, and for nothing."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or (isinstance(cell, float) and cell != cell):  # NaN: nothing, in a column of numbers
        raise InputError("The cell is empty.")
    if not isinstance(cell, str | int | float):
        raise InputError(f"The cell holds {type(cell).__name__}, not text.")
    try:
        found = str(cell).strip()
    except ValueError as error:  # Python writes no whole number of more than 4,300 digits
        raise InputError("The cell holds a number of thousands of digits, not text.") from error
    if not found:
        raise InputError("The cell is empty.")
    check_length(found)
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise InputError("The text is not valid Unicode.") from error
    return found


def check_length(text: str) -> None:
    """Raise `InputError` for a text that would take too long to encode."""
    if len(text) > LONGEST_TEXT:
        raise InputError(
            f"The text has {len(text):,} letters and at most {LONGEST_TEXT:,} are read: cut it into parts."
        )


def png_bytes(picture: Any) -> bytes:
    """A Pillow image as a PNG file."""
    buffer = io.BytesIO()
    near = picture.mode if picture.mode in PNG_MODES else "I;16" if picture.mode == "I" else "RGB"
    try:
        picture.convert(near).save(buffer, format="PNG")
    except Exception as error:  # each of Pillow's many readers fails in its own way
        raise InputError(f"The image is damaged: {one_line(str(error), LONGEST_WORD)}.") from error
    return buffer.getvalue()


def held(cell: Any) -> Any:
    """A cell that names a file as the path in it, however it was given: a `Path`, or in `{"bytes": None, "path": …}`.

    Bytes come out of such a mapping, too; other cells, and sounds in arrays, stay as they are.
    """
    if isinstance(cell, Mapping) and "array" not in cell and ("bytes" in cell or "path" in cell):
        cell = cell.get("bytes") or cell.get("path")
    return str(cell) if isinstance(cell, Path) else cell


def file_bytes(cell: Any, file: Callable[[str], Path], what: str) -> bytes:
    """Bytes, the file of a path, or `{"bytes": …, "path": …}` as the library `datasets` has it."""
    found = held(cell)
    if isinstance(found, bytes) and found:
        return found
    if isinstance(found, str) and found:
        return read_bytes(file(found), what)
    raise InputError(f"The cell names no {what} file.")


def sound_bytes(cell: Any, file: Callable[[str], Path]) -> bytes:
    """The bytes of an audio file; `{"array": …, "sampling_rate": …}` is written as WAV."""
    if isinstance(cell, Mapping) and "array" in cell and "sampling_rate" in cell:
        buffer = io.BytesIO()
        try:
            soundfile.write(buffer, cell["array"], int(cell["sampling_rate"]), format="WAV")
        except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, LookupError, OverflowError) as error:
            raise InputError(f"The array is no recording: {one_line(str(error), LONGEST_WORD)}.") from error
        return buffer.getvalue()
    return file_bytes(cell, file, "audio")
