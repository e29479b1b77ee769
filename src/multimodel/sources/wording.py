"""What users' own words look like in a message: on one line, without control characters, and not too long."""

from __future__ import annotations

from typing import Any

LONGEST_WORD = 200  # letters of one value
LONGEST_SENTENCE = 2000  # letters of a whole message, whatever it quotes


def shown(value: Any) -> str:
    """A value as Python writes it, shortened; whole numbers of thousands of digits cannot be written at all."""
    try:
        return one_line(repr(value), LONGEST_WORD)
    except (ValueError, RecursionError):
        return f"{type(value).__name__} too large to show"


def one_line(text: str, longest: int = LONGEST_SENTENCE) -> str:
    """The text with its middle left out where it is too long, and escapes for what would not print on one line."""
    if len(text) > longest:
        text = f"{text[: longest // 2]} … {text[-longest // 2 :]}"
    return "".join(letter if letter.isprintable() else escaped(letter) for letter in text)


def escaped(letter: str) -> str:
    r"""As in Python: `\n`, `\x1b`, `\ud800`."""
    return letter.encode("unicode_escape").decode("ascii")
