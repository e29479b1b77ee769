"""Images as pixels (paper, section 2.5.2): decoded, turned upright, laid on white and scaled into one box."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image as Pillow
from PIL import ImageOps
from torch import Tensor

from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.sources.files import read_bytes
from multimodel.sources.wording import LONGEST_WORD, one_line
from multimodel.tasks.padding import pad
from multimodel.tasks.parallel import in_threads

MOST_PIXELS = 50_000_000  # a larger picture is likelier an attack than a photo
LARGE, LARGE_AT_ONCE = 10_000_000, 2  # pixels: one picture of the most takes half a gigabyte while it is scaled
LARGEST_SIDE = 4096  # of what the net reads
MOST_SCANS = 100  # of a JPEG, where a dozen are usual: each is one more pass over all pixels, and takes 75 bytes
ROWS = 256  # laid on white at a time
START_OF_SCAN = b"\xff\xda"  # within a scan 0 follows 255
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")  # EPS would run a program
SMALL = 16_384  # bytes on average: decoding smaller pictures took 1.5 times as long in two threads as in one
CHANNELS = 3  # what the net reads: grey pictures are repeated, so that all pictures share one net


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture scaled, its shape kept, to the largest that fits `height` × `width`. Raw: PNG, WebP, JPEG … bytes.

    `channels` says how pictures are kept in memory: 3 in colour, 1 in grey.
    """

    height: int
    width: int
    channels: int = CHANNELS
    net: str = "image"

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.channels not in (1, CHANNELS):
            raise InputError(f"Images of {self.height}×{self.width}×{self.channels} are not possible.")
        if max(self.height, self.width) > LARGEST_SIDE:
            raise InputError(
                f"Images of {self.height}×{self.width} are too large: {LARGEST_SIDE} on a side is the most."
            )

    @property
    def spec(self) -> Net:
        """An image net over three colours."""
        return Net(kind="image", size=CHANNELS)

    @property
    def version(self) -> str:
        """Nothing."""
        return ""

    def encode(self, raw: bytes) -> np.ndarray:
        """Pixels (h, w, c) uint8; raises `InputError` if the bytes are no image."""
        picture = _open(raw)
        try:
            picture = _flat(picture, "L" if self.channels == 1 else "RGB")
        except Exception as error:  # some colours cannot be turned into others, such as LAB
            raise InputError(f"The image cannot be read: {one_line(str(error), LONGEST_WORD)}.") from error
        scale = min(self.height / picture.height, self.width / picture.width)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        if size != picture.size:
            picture = picture.resize(size, Pillow.Resampling.BICUBIC)
        return np.asarray(picture, dtype=np.uint8).reshape(size[1], size[0], self.channels)

    def encode_many(self, raws: Sequence[bytes]) -> Iterator[np.ndarray]:
        """`encode` for each, in threads unless they are so small that threads would mostly wait for each other.

        Of large pictures only two are unpacked at once.
        """
        small = sum(map(len, raws)) < SMALL * len(raws)
        room = Semaphore(LARGE_AT_ONCE)

        def encode(raw: bytes) -> np.ndarray:
            with room if _pixels(raw) > LARGE else nullcontext():
                return self.encode(raw)

        return map(self.encode, raws) if small else in_threads(encode, raws)

    def fits(self, array: np.ndarray) -> bool:
        """Always: a picture is scaled."""
        return True

    def cost(self, array: np.ndarray) -> int:
        """One position per 80 pixels of the box, which is what the image net costs beside the body (measured)."""
        return max(1, self.height * self.width // 80)

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Float[Tensor, "b h w 3"], Bool[Tensor, "b h w"]]:
        """Pixels in 0…1, (b, h, w, 3), and the mask of the real ones."""
        pixels, mask = pad(arrays, axes=2, dtype=np.float32)
        return (pixels / 255).expand(*mask.shape, CHANNELS).contiguous(), mask

    def decode(self, symbols: Sequence[int]) -> None:
        """Nothing: images are an input only."""
        return

    def read(self, value: str) -> bytes:
        """The bytes of an image file; raises `InputError` if there is none at this path."""
        raw = read_bytes(Path(value), "image")
        _open(raw, one_line(value, LONGEST_WORD))
        return raw

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        size = {"height": self.height, "width": self.width, "channels": self.channels}
        return {"kind": "image", **size, "net": self.net}


def _head(raw: bytes, name: str) -> Pillow.Image:
    """The first picture in `raw`, its pixels still packed."""
    Pillow.init()  # else only some of the formats are known
    try:
        picture = Pillow.open(io.BytesIO(raw), formats=[name for name in FORMATS if name in Pillow.OPEN])
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise InputError(f"{name} is too large: at most {MOST_PIXELS // 10**6} million pixels are read.") from error
    except Exception as error:  # each of Pillow's many readers fails in its own way
        raise InputError(f"{name} is not an image: give a PNG, JPEG or WebP file.") from error
    if picture.width * picture.height > MOST_PIXELS:
        raise InputError(f"{name} is too large: at most {MOST_PIXELS // 10**6} million pixels are read.")
    if picture.format in ("JPEG", "MPO") and raw.count(START_OF_SCAN) > MOST_SCANS:
        raise InputError(f"{name} has more than {MOST_SCANS} scans: write it anew as a JPEG of one.")
    return picture


def _pixels(raw: bytes) -> int:
    """How many a picture has, 0 where it cannot be read."""
    try:
        picture = _head(raw, "")
    except InputError:
        return 0
    return picture.width * picture.height


def _open(raw: bytes, name: str = "The image") -> Pillow.Image:
    """The first picture in `raw`, upright; what it says of its direction does not count where that is damaged."""
    picture = _head(raw, name)
    try:
        picture.load()
    except Exception as error:
        raise InputError(f"{name} is a damaged image: {one_line(str(error), LONGEST_WORD)}.") from error
    with suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _flat(picture: Pillow.Image, mode: str) -> Pillow.Image:
    """Eight bits per channel, and white where the picture is transparent; some rows at a time, to save memory."""
    flat = Pillow.new(mode, picture.size)
    for top in range(0, picture.height, ROWS):
        rows = picture.crop((0, top, picture.width, min(top + ROWS, picture.height)))
        flat.paste(_on_white(rows).convert(mode), (0, top))
    return flat


def _on_white(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I"):  # Pillow would cut 16 bits off at 255 instead of scaling them
        levels = np.asarray(picture).astype(np.float32) / 257
        return Pillow.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    coloured = picture.convert("RGBA")
    white = Pillow.new("RGBA", coloured.size, "white")
    return Pillow.alpha_composite(white, coloured)
