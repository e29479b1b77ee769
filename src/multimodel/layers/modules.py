"""Typed lists of modules: torch's own forget what they hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from torch import nn

Part = TypeVar("Part", bound=nn.Module)


def module_list(modules: Iterable[Part]) -> list[Part]:
    """A `ModuleList` under the type of its members."""
    return cast("list[Part]", nn.ModuleList(modules))
