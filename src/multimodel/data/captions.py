"""Caption part: made scenes of real pictures with English sentences; no caption stands in two splits."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from multimodel.data import emoji, stamps
from multimodel.data.rows import Picture, Row
from multimodel.data.scenes import Scene, compose
from multimodel.sources.splits import split_of

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.binary()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),
    ]
)
SCENES = 8000
SEED = 1706
WEBP_QUALITY = 92


def rows(packages: Mapping[str, Sequence[Path]], scenes: int = SCENES) -> list[Row]:
    """Scenes drawn from the pictures of all sources together, the same in every build."""
    pictures: dict[str, Picture] = {}
    for source, files in packages.items():
        for picture in READERS[source](files):
            pictures.setdefault(picture.noun, picture)
    dice, drawable = random.Random(SEED), list(pictures.values())
    return [_row(number, compose(dice, drawable), "+".join(packages)) for number in range(scenes)]


def _row(number: int, scene: Scene, source: str) -> Row:
    file = io.BytesIO()
    scene.image.save(file, "WEBP", quality=WEBP_QUALITY)
    return {
        "id": f"scene-{number:05d}",
        "image": file.getvalue(),
        "text": scene.caption,
        "source": source,
        "split": split_of(scene.caption),
    }


READERS: dict[str, Callable[[Sequence[Path]], Iterable[Picture]]] = {
    "emoji": emoji.pictures,
    "tuxpaint": stamps.tuxpaint,
    "sweethome": stamps.sweethome,
}
