"""HTML and SVG as strings that know they are safe: whatever else becomes part of an element is escaped."""

from __future__ import annotations

import html
import re

VOID = frozenset({"meta", "img", "br"})
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(content: object) -> Markup:
    """Markup as it is; anything else as text, characters that XML does not allow replaced."""
    if isinstance(content, Markup):
        return content
    return Markup(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(content))))


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element; `class_` is the attribute `class`, `stroke_width` is `stroke-width`, and None leaves one out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(map(escaped, children))
    return Markup(f"<{name}{written}>" if name in VOID else f"<{name}{written}>{inner}</{name}>")


def short(value: object) -> object:
    """Numbers to two places, which is enough for a position in a drawing."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def joined(*parts: object) -> Markup:
    """Parts one after another."""
    return Markup("".join(map(escaped, parts)))
