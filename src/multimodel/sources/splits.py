"""The words for splits; and which one a sentence belongs to: fixed by its letters alone, hence the same in every task
and build.
"""

from __future__ import annotations

import hashlib
import unicodedata
from fractions import Fraction

SHARE = Fraction(1, 20)
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "val", "valid", "validation"), "dev"),
    "test": "test",
}


def key(text: str) -> str:
    """Letters and digits of a text in one case: equal for texts that differ in spacing, case or punctuation only."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def split_of(text: str, share: Fraction = SHARE) -> str:
    """`train`, `dev` (this share of all texts) or `test` (as many)."""
    place = _number(text) % share.denominator
    if place < share.numerator:
        return "test"
    return "dev" if place < 2 * share.numerator else "train"


def identifier(source: str, text: str) -> str:
    """A name for this text of this source that stays the same in every build."""
    return f"{source}-{_number(text):040x}"[: len(source) + 13]


def _number(text: str) -> int:
    return int(hashlib.sha1((key(text) or "".join(text.split())).encode(errors="surrogatepass")).hexdigest(), 16)
