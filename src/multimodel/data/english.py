"""The little English grammar that made captions need: articles, plurals, small numbers."""

from __future__ import annotations

import re

SOUNDS_CONSONANT = ("uni", "use", "uku", "uri", "ute", "eu", "one")
SOUNDS_VOWEL = ("hour", "heir", "honest")
NUMBERS = {2: "two", 3: "three"}


def with_article(noun: str) -> str:
    """`a fox`, `an owl`, `a unicorn`, `an hourglass`."""
    start = noun.lower()
    vowel = start.startswith(SOUNDS_VOWEL) or (start[0] in "aeiou" and not start.startswith(SOUNDS_CONSONANT))
    return f"{'an' if vowel else 'a'} {noun}"


def plural_of(noun: str) -> str:
    """The regular plural: `foxes`, `butterflies`, `owls`."""
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return noun + "es"
    return noun[:-1] + "ies" if re.search(r"[^aeiou]y$", noun) else noun + "s"


def counted(number: int, noun: str, plural: str) -> str:
    """`a fox`, `two foxes`, `three foxes`."""
    return with_article(noun) if number == 1 else f"{NUMBERS[number]} {plural}"
