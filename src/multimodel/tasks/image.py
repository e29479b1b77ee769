"""Images as pixels (paper, section 2.5.2): decoded, turned upright, laid on white and scaled into one box."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image as Pillow
from PIL import ImageOps
from torch import Tensor

from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.tasks.files import read_bytes
from multimodel.tasks.padding import pad
from multimodel.tasks.parallel import in_threads
from multimodel.tasks.vocabulary import Vocabulary

MOST_PIXELS = 50_000_000  # a larger picture is likelier an attack than a photo
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
        picture = _flat(_open(raw)).convert("L" if self.channels == 1 else "RGB")
        scale = min(self.height / picture.height, self.width / picture.width)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        if size != picture.size:
            picture = picture.resize(size, Pillow.Resampling.BICUBIC)
        return np.asarray(picture, dtype=np.uint8).reshape(size[1], size[0], self.channels)

    def encode_many(self, raws: Sequence[bytes]) -> Iterator[np.ndarray]:
        """`encode` for each, in threads unless they are so small that threads would mostly wait for each other."""
        small = sum(map(len, raws)) < SMALL * len(raws)
        return map(self.encode, raws) if small else in_threads(self.encode, raws)

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
        _open(raw, value)
        return raw

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        size = {"height": self.height, "width": self.width, "channels": self.channels}
        return {"kind": "image", **size, "net": self.net}

    @classmethod
    def from_json(cls, values: dict[str, Any], tokenizer: Vocabulary) -> Image:
        """What `to_json` wrote."""
        return cls(**values)


def _open(raw: bytes, name: str = "The image") -> Pillow.Image:
    """The upright first picture in `raw`; the size is looked at before any pixel is unpacked."""
    try:
        picture = Pillow.open(io.BytesIO(raw))
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise InputError(f"{name} is too large: at most {MOST_PIXELS // 10**6} million pixels are read.") from error
    except Exception as error:  # each of Pillow's many readers fails in its own way
        raise InputError(f"{name} is not an image: give a PNG, JPEG or WebP file.") from error
    if picture.width * picture.height > MOST_PIXELS:
        raise InputError(f"{name} is too large: at most {MOST_PIXELS // 10**6} million pixels are read.")
    try:
        return ImageOps.exif_transpose(picture)
    except Exception as error:
        raise InputError(f"{name} is a damaged image: {error}.") from error


def _flat(picture: Pillow.Image) -> Pillow.Image:
    """Eight bits per channel, and white where the picture is transparent."""
    if picture.mode.startswith("I"):  # Pillow would cut 16 bits off at 255 instead of scaling them
        levels = np.asarray(picture).astype(np.float32) / 257
        return Pillow.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    coloured = picture.convert("RGBA")
    white = Pillow.new("RGBA", coloured.size, "white")
    return Pillow.alpha_composite(white, coloured)
