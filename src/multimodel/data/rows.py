"""What the readers of sources yield, before it is cleaned, given a split and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One spoken utterance: its transcript as printed and its sound file (MP3, WAV) as it is."""

    id: str
    text: str
    audio: bytes


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One thing on a transparent ground, with its noun in the singular and the plural."""

    noun: str
    plural: str
    image: Image.Image


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An English sentence and its translation; `language` is `de` or `fr`."""

    language: str
    english: str
    translation: str
