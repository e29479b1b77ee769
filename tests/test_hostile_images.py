"""Pictures made to do harm: each is read or refused in one sentence, without gigabytes and without a program run."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import TIMEOUT, answer, damaged, fuzz, grown, refused
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image as Pillow

from multimodel.tasks import image
from multimodel.tasks.image import LARGE_AT_ONCE, LARGEST_SIDE, Image

pytestmark = TIMEOUT
COLOUR, GREY = Image(height=16, width=12), Image(height=16, width=12, channels=1)


def saved(picture: Pillow.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def noise(mode: str = "RGB") -> Pillow.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 4), dtype=np.uint8)
    return Pillow.fromarray(pixels, "RGBA").convert(mode)


def frames(form: str) -> bytes:
    others = [Pillow.new("RGB", (40, 30), colour) for colour in ("blue", "green")]
    return saved(Pillow.new("RGB", (40, 30), "red"), form, save_all=True, append_images=others, duration=100)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_head(width: int, height: int, *others: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(others) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


SEEDS = [
    *(saved(noise(mode)) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(saved(noise(mode), "JPEG") for mode in ("L", "RGB", "CMYK")),
    saved(noise(), "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    *(saved(noise(), form) for form in ("WEBP", "GIF", "BMP", "TIFF", "PPM")),
    saved(noise(), "TIFF", compression="tiff_lzw"),
    saved(noise("RGBA"), "WEBP", lossless=True),
    *(frames(form) for form in ("GIF", "WEBP", "PNG")),
]


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it mends
@fuzz
@given(raw=damaged(SEEDS) | some.binary(max_size=60), feature=some.sampled_from([COLOUR, GREY]))
def test_a_damaged_picture_is_refused_or_fits_the_box(raw: bytes, feature: Image) -> None:
    pixels = answer(lambda: feature.encode(raw))
    if pixels is not None:
        assert pixels.dtype == np.uint8
        assert pixels.shape[0] == 16 or pixels.shape[1] == 12
        assert max(pixels.shape) <= 16
        assert pixels.shape[2] == feature.channels


@pytest.mark.parametrize(
    "claim",
    [
        png_head(60_000, 60_000),
        png_head(2**31 - 1, 2**31 - 1),
        b"P6\n60000 60000\n255\n",
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 90, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + b",\0\0\0\0`\xea`\xea\0\x02\x02L\x01\0;",
        saved(noise(), "WEBP", lossless=True)[:21] + b"\xff\xff\xff\x0f" + saved(noise(), "WEBP", lossless=True)[25:],
    ],
    ids=["png", "largest png", "ppm", "bmp", "gif", "webp"],
)
@pytest.mark.filterwarnings("ignore")
def test_claims_of_billions_of_pixels_cost_nothing(claim: bytes) -> None:
    assert grown(lambda: refused(lambda: COLOUR.encode(claim), "too large: at most 50 million pixels|not an im")) < 60


@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16"])
def test_the_largest_pictures_take_less_than_a_gigabyte(mode: str) -> None:
    extra = {"transparency": 0} if mode == "P" else {}
    raw = saved(Pillow.new(mode, (7000, 7000)), **extra)
    assert len(raw) < 2**20
    assert grown(lambda: COLOUR.encode(raw)) < 600


def test_only_two_large_pictures_are_unpacked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock, flat = [0], [0], threading.Lock(), image._flat

    def slow(picture: Pillow.Image, mode: str) -> Pillow.Image:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        found = flat(picture, mode)
        with lock:
            inside[0] -= 1
        return found

    monkeypatch.setattr("multimodel.tasks.parallel.usable_cores", lambda: 8)
    monkeypatch.setattr("multimodel.tasks.parallel.CHUNK", 1)
    monkeypatch.setattr(image, "_flat", slow)
    monkeypatch.setattr(image, "SMALL", 0)
    for limit, expected in ((100, LARGE_AT_ONCE), (10_000, 8)):
        monkeypatch.setattr(image, "LARGE", limit)
        most[0] = 0
        assert len(list(COLOUR.encode_many([SEEDS[4]] * 40))) == 40
        assert most[0] == expected


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20_000, 1), (1, 20_000), (20_000, 2000)])
def test_odd_shapes_are_read(width: int, height: int) -> None:
    pixels = COLOUR.encode(saved(Pillow.new("RGB", (width, height), "red")))
    assert (pixels == (255, 0, 0)).all()


def test_pictures_of_no_width_or_height_are_refused() -> None:
    for width, height in ((0, 5), (5, 0), (0, 0)):
        refused(lambda size=(width, height): COLOUR.encode(png_head(*size)), "not an image")


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_moving_pictures_the_first_is_read(form: str) -> None:
    red, _, blue = COLOUR.encode(frames(form)).reshape(-1, 3).mean(axis=0)
    assert red > 240
    assert blue < 20


EXIF = [
    b"Exif\0\0garbage",
    b"\xff" * 50,
    b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * 90,
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01",
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("exif", EXIF)
def test_nonsense_about_a_pictures_direction_leaves_it_as_it_is(form: str, exif: bytes) -> None:
    plain, marked = saved(noise(), form), saved(noise(), form, exif=exif)
    assert np.array_equal(COLOUR.encode(marked), COLOUR.encode(plain))


def test_a_jpeg_of_a_thousand_passes_over_its_pixels_is_refused_at_once() -> None:
    progressive = saved(Pillow.new("L", (4000, 4000)), "JPEG", progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    bomb = progressive[:-2] + scan * 1000 + progressive[-2:]
    assert len(bomb) < 200_000
    start = time.monotonic()
    refused(lambda: COLOUR.encode(bomb), "more than 100 scans: write it anew")
    assert time.monotonic() - start < 1
    assert COLOUR.encode(progressive).shape == (12, 12, 3)


def test_no_picture_runs_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "gs"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
    refused(lambda: COLOUR.encode(eps), "not an image: give a PNG, JPEG or WebP file")
    assert not (tmp_path / "ran").exists()


def test_chunks_of_text_in_a_png_are_not_unpacked_without_end() -> None:
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2**27, 9))
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 2**27, 9))
    for other in (text, profile, text * 60):
        raw = png_head(4, 4, other)
        assert grown(lambda raw=raw: answer(lambda: COLOUR.encode(raw))) < 200


def test_a_box_of_a_billion_pixels_is_refused_before_any_picture_is_read() -> None:
    refused(lambda: Image(height=10**9, width=10**9), f"too large: {LARGEST_SIDE} on a side is the most")
