"""Named tensors in safetensors files: read only if they are those that are expected, and nothing else is ever run."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from multimodel.errors import InputError
from multimodel.training.sums import check_sum


class Header(NamedTuple):
    """What a file says of a tensor before the tensor is read."""

    shape: tuple[int, ...]
    dtype: str


TYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a file; raises `OSError` where the disk does not take it."""
    try:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path)
    except SafetensorError as error:
        raise as_os_error(error) from error


def as_os_error(error: BaseException) -> OSError:
    """The error of the system that a library's text tells of."""
    found = re.search(r"os error (\d+)|\[Errno (\d+)\]", str(error))
    number = int(found[1] or found[2]) if found else 0
    return OSError(number, os.strerror(number)) if number else OSError(str(error))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file that is as it was written."""
    check_sum(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}): the checkpoint is incomplete.") from error


def headers(path: Path) -> dict[str, Header]:
    """What a file holds, by its first few kilobytes."""
    try:
        with safe_open(path, framework="pt") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            return {name: Header(tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}): the checkpoint is incomplete.") from error


def count_numbers(path: Path) -> int:
    """Numbers in a file's tensors."""
    return sum(math.prod(held.shape) for held in headers(path).values())


def header(tensor: Tensor) -> Header:
    """What a file with this tensor would say of it."""
    return Header(tuple(tensor.shape), TYPES[tensor.dtype])


def check_headers(path: Path, wanted: Mapping[str, Header]) -> None:
    """Raise `InputError` naming the first tensor that is missing, not expected, or of another shape or type."""
    found = headers(path)
    for name in sorted(found.keys() | wanted.keys()):
        given, expected = (_words(tensors.get(name)) for tensors in (found, wanted))
        if given != expected:
            raise InputError(f"{path} does not fit the model of its config: {name} is {given}, not {expected}.")


def _words(header: Header | None) -> str:
    return f"{header.shape} of {header.dtype}" if header else "missing"
