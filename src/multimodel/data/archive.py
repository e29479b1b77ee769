"""Reads single files out of a Debian package without unpacking it: an `ar` archive that holds a compressed tar."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from multimodel.data.packages import PackageError

MAGIC = b"!<arch>\n"
HEADER_BYTES = 60
UNPACKERS = {".tar": "r|", ".tar.gz": "r|gz", ".tar.xz": "r|xz", ".tar.bz2": "r|bz2", ".tar.zst": "r|"}


def members(deb: Path, patterns: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Path inside the package and content of each regular file whose path matches one of the shell patterns.

    Raises PackageError, naming the file, when the package is broken.
    """
    try:
        with deb.open("rb") as stream, _data_tar(stream) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                content = tar.extractfile(member) if member.isfile() else None
                if content and any(fnmatchcase(name, pattern) for pattern in patterns):
                    yield name, content.read()
    except PackageError as error:
        raise PackageError(f"{deb} {error}") from error
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError, OSError) as error:
        raise PackageError(f"{deb} is not a whole Debian package ({error}): delete it and fetch it again.") from error


def single(deb: Path, pattern: str) -> bytes:
    """Content of the first file that matches; PackageError when there is none."""
    for _, content in members(deb, [pattern]):
        return content
    raise PackageError(f"{deb.name} holds no file {pattern}: this version of the package is laid out differently.")


def _data_tar(stream: BinaryIO) -> tarfile.TarFile:
    """The tar with the package's files, opened as a stream at its place in the archive."""
    if stream.read(len(MAGIC)) != MAGIC:
        raise ValueError("it does not start as an ar archive")
    while header := stream.read(HEADER_BYTES):
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            suffix = name.removeprefix("data")
            if suffix not in UNPACKERS:
                raise PackageError(f"holds its files as {name}, which is not read: take another version of it.")
            source = pa.CompressedInputStream(stream, "zstd") if suffix == ".tar.zst" else stream
            return tarfile.open(fileobj=cast(BinaryIO, source), mode=UNPACKERS[suffix])  # type: ignore[call-overload]
        stream.seek(size + size % 2, 1)
    raise ValueError("it holds no data.tar")
