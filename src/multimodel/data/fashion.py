"""Image-class part: Fashion-MNIST, 70,000 grey pictures of 28×28 pixels in ten classes, from its IDX files."""

from __future__ import annotations

import gzip
import io
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from multimodel.data.archive import single
from multimodel.data.rows import Row

SCHEMA = pa.schema([("id", pa.string()), ("image", pa.binary()), ("label", pa.int64()), ("split", pa.string())])
CLASSES = (
    "T-shirt or top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
FILES = {"train": "train", "test": "t10k"}
DEV_IMAGES = 5000


def rows(packages: Mapping[str, Sequence[Path]]) -> list[Row]:
    """All pictures as PNG; the last 5,000 of the training set become `dev`, the test set stays as it is."""
    ((source, (file,)),) = packages.items()
    found = []
    for part, prefix in FILES.items():
        images = idx(gzip.decompress(single(file, f"*/{prefix}-images-idx3-ubyte.gz")))
        labels = idx(gzip.decompress(single(file, f"*/{prefix}-labels-idx1-ubyte.gz")))
        first_dev = len(images) - DEV_IMAGES if part == "train" else len(images)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            split = part if number < first_dev else "dev"
            found.append(
                {"id": f"{source}-{part}-{number:05d}", "image": png(image), "label": int(label), "split": split}
            )
    return found


def idx(content: bytes) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes: two zeros, the type, the number of axes, their sizes, the values."""
    zeros, kind, axes = struct.unpack_from(">HBB", content)
    shape = struct.unpack_from(f">{axes}I", content, 4)
    if zeros or kind != 8 or len(content) != 4 + 4 * axes + math.prod(shape):
        raise ValueError(f"not an IDX file of bytes: type {kind}, sizes {shape}, {len(content)} bytes long")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture file of grey values (h, w)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=False)
    return file.getvalue()
