"""Optional pictures of things: the stamps of Tux Paint (photos) and the furniture of Sweet Home 3D (renderings)."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from multimodel.data.archive import members
from multimodel.data.english import plural_of
from multimodel.data.rows import Picture

STAMP_CAPTION = re.compile(r"An? ([a-z]+(?: [a-z]+){0,2})\.")
STAMP_NOT_A_NOUN = re.compile(r"\b(of|in|on|with|for|from|at|to|letter|number|sign|symbol|\w+ing)\b")
FURNITURE_NAME = re.compile(r"^name#(\d+)=([A-Za-z]+(?: [a-z]+){0,2})(?: \d+)?\s*$", re.MULTILINE)
FURNITURE_ICON = re.compile(r"^icon#(\d+)=/(\S+\.png)\s*$", re.MULTILINE)


def tuxpaint(files: Sequence[Path]) -> Iterator[Picture]:
    """Stamps whose caption is an article and at most three words; pictures drawn as SVG are left out."""
    found = dict(members(files[0], ["*/stamps/*.png", "*/stamps/*.txt"]))
    for name in sorted(name for name in found if name.endswith(".png")):
        caption = found.get(str(PurePosixPath(name).with_suffix(".txt")), b"").decode("utf-8", "replace")
        noun = stamp_noun(caption.split("\n")[0].strip())
        image = _image(found[name])
        if noun and image:
            yield Picture(noun=noun, plural=plural_of(noun), image=image)


def stamp_noun(caption: str) -> str | None:
    """`sports car` for `A sports car.`; None for other sentences."""
    match = STAMP_CAPTION.fullmatch(caption)
    return match[1] if match and not STAMP_NOT_A_NOUN.search(match[1]) else None


def sweethome(files: Sequence[Path]) -> Iterator[Picture]:
    """Icons of the furniture with a name of at most three words."""
    for _, catalogue in sorted(members(files[0], ["*/furniture/*.sh3f"])):
        with zipfile.ZipFile(io.BytesIO(catalogue)) as file:
            listing = file.read("PluginFurnitureCatalog.properties").decode("latin-1")
            icons = dict(FURNITURE_ICON.findall(listing))
            for number, name in FURNITURE_NAME.findall(listing):
                image = _image(file.read(icons[number])) if icons.get(number) in file.namelist() else None
                if image and not name.endswith("s"):
                    yield Picture(noun=name.lower(), plural=plural_of(name.lower()), image=image)


def _image(content: bytes) -> Image.Image | None:
    """The picture, or None for a broken or an empty one."""
    try:
        image = Image.open(io.BytesIO(content)).convert("RGBA")
    except UnidentifiedImageError:
        return None
    image.thumbnail((128, 128))
    return image if image.getbbox() else None
