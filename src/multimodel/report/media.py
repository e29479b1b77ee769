"""Pictures and recordings inside a page, as data that the page carries along."""

from __future__ import annotations

import base64
import io

from PIL import Image as Pillow

from multimodel.report.markup import Markup, element

LARGEST = 100_000  # bytes of one recording or picture; eight of each then stay far below ten megabytes
SIDE = 128  # smaller pictures are enlarged by a whole factor to about so many pixels

AUDIO_STARTS = {b"ID3": "audio/mpeg", b"OggS": "audio/ogg", b"fLaC": "audio/flac"}


def picture(raw: bytes, about: str) -> Markup:
    """An image, small ones enlarged so that their pixels are seen; a sentence where it cannot be shown."""
    if len(raw) > LARGEST:
        return too_large(raw, "picture")
    try:
        with Pillow.open(io.BytesIO(raw)) as image:
            (width, height), kind = image.size, image.get_format_mimetype()
    except Exception:  # each of Pillow's many readers fails in its own way
        return element("p", "This picture cannot be read.", class_="quiet")
    factor = max(1, SIDE // max(width, height))
    return element(
        "img",
        src=data_address(raw, kind or "application/octet-stream"),
        alt=about,
        width=width * factor,
        height=height * factor,
        class_="pixels" if factor > 1 else None,
    )


def recording(raw: bytes, about: str) -> Markup:
    """A player; a sentence where the recording is too large."""
    if len(raw) > LARGEST:
        return too_large(raw, "recording")
    return element("audio", controls="", preload="metadata", src=data_address(raw, audio_type(raw)), aria_label=about)


def audio_type(raw: bytes) -> str:
    """The media type of a recording by its first bytes; MP3 where nothing else is known, for it may have no header."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WAVE":
        return "audio/wav"
    return next((kind for start, kind in AUDIO_STARTS.items() if raw.startswith(start)), "audio/mpeg")


def data_address(raw: bytes, kind: str) -> str:
    """A data URI."""
    return f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def too_large(raw: bytes, what: str) -> Markup:
    """What stands in the place of a file that would make the page heavy."""
    return element("p", f"A {what} of {len(raw) / 1e6:.1f} MB, left out to keep this page light.", class_="quiet")
