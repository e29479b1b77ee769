"""Tiny made packages: a .deb writer, and files in the formats that the data builder reads."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

HEADER = bytes(20)


def write_deb(folder: Path, name: str, files: Mapping[str, bytes], *, compression: str = "xz") -> Path:
    """A Debian package with these files, as small as `dpkg-deb` would accept it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode=f"w:{compression}") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(f"./{path}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    suffix = f".{compression}" if compression else ""
    entries = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", f"data.tar{suffix}": tar.getvalue()}
    path = folder / f"{name}_1%3a2.0-1_all.deb"
    path.write_bytes(b"!<arch>\n" + b"".join(_entry(key, value) for key, value in entries.items()))
    return path


def _entry(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)


def sound(seconds: float = 1.0, *, form: str = "WAV", tone: float = 440.0) -> bytes:
    """A tone of 8,000 samples per second."""
    samples = 0.3 * np.sin(2 * np.pi * tone * np.arange(int(8000 * seconds)) / 8000)
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format=form)
    return file.getvalue()


def idx(values: Sequence[int], *shape: int) -> bytes:
    """A compressed IDX file of bytes."""
    return gzip.compress(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(values))


def fashion(train: int, test: int) -> dict[str, bytes]:
    """The four files of Fashion-MNIST; every picture is of one grey, its number."""
    files = {}
    for prefix, count in (("train", train), ("t10k", test)):
        pixels = [number % 256 for number in range(count) for _ in range(28 * 28)]
        place = f"usr/share/datasets/fashion-mnist/{prefix}"
        files[f"{place}-images-idx3-ubyte.gz"] = idx(pixels, count, 28, 28)
        files[f"{place}-labels-idx1-ubyte.gz"] = idx([number % 10 for number in range(count)], count)
    return files


def picture(colour: str = "red") -> bytes:
    """A coloured square on a transparent ground, as PNG."""
    image = Image.new("RGBA", (20, 20))
    image.paste(colour, (4, 4, 16, 16))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def stamps(captions: Mapping[str, str]) -> dict[str, bytes]:
    """Tux Paint stamps: picture and caption."""
    place = "usr/share/tuxpaint/stamps/things"
    texts = {f"{place}/{name}.txt": f"{caption}\nde.utf8=…\n".encode() for name, caption in captions.items()}
    return texts | {f"{place}/{name}.png": picture() for name in captions}


def catalogue(messages: Mapping[str, str]) -> bytes:
    """A gettext catalogue (.mo)."""
    import polib

    file = polib.MOFile()
    for original, translation in messages.items():
        file.append(polib.MOEntry(msgid=original, msgstr=translation))
    return file.to_binary()


def queen(resources: Mapping[str, bytes]) -> bytes:
    """A `queen.1c` with these resources."""
    offset = 15 + 21 * len(resources)
    table, content = b"", b""
    for name, data in resources.items():
        table += struct.pack(">12sBII", name.encode(), 0, offset + len(content), len(data))
        content += data
    return b"QTBLCPEM10  \0"[:13] + struct.pack(">H", len(resources)) + table + content


def dialogue(key: int, answers: Mapping[int, str], greetings: Sequence[str]) -> bytes:
    """A `.DOG` file: what another person answers, and the two texts that are said on coming back."""
    spoken = b""
    for identity, text in answers.items():
        spoken += struct.pack(">hh", 0, identity) + _string(text, spoken_align=4, before=len(spoken) + 4)
    persons = 200
    tail = persons + len(spoken)
    joe = struct.pack(">hh", 0, 1)  # no lines of Joe's, and no short greeting
    head = struct.pack(">5h", 0, 0, key, 0, len(answers)).ljust(22, b"\0") + struct.pack(">3H", persons, 0, tail)
    data = (head.ljust(32, b"\0") + joe).ljust(persons, b"\0") + spoken
    for text in greetings:
        data += _string(text, spoken_align=2, before=len(data))
    return HEADER + data


def _string(text: str, *, spoken_align: int, before: int) -> bytes:
    content = bytes([len(text)]) + text.encode("cp437")
    return content + b"\0" * (-(before + len(content)) % spoken_align) if text else content


def cutscene(texts: Sequence[str]) -> bytes:
    """A `.CUT` file; its texts follow one string that is not spoken."""
    data = struct.pack(">hhhhH", 0, len(texts), 0, 0, 10) + b"\0"
    for text in texts:
        data += _string(text, spoken_align=2, before=len(data))
    return HEADER + data


def descriptions(things: Sequence[str], own: Sequence[str]) -> dict[str, bytes]:
    """The two files with what Joe says about things and on his own (40 lines)."""
    lines = [*things, *["-"] * 12, *own, *[""] * (40 - len(own))]
    counts = struct.pack(">4h", 0, 0, 0, len(things))
    return {"QUEEN.JAS": HEADER + counts, "QUEEN2.JAS": "\r\n".join(lines).encode("cp437")}
