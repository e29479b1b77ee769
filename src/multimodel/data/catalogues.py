"""Translated messages of programs: gettext catalogues (`.mo`), as the game Battle for Wesnoth tells its stories in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from multimodel.data.archive import members
from multimodel.data.rows import Pair
from multimodel.data.sentences import LANGUAGES, plain, sentence_pairs

CONTEXT = re.compile(r"^[\w ]*\^")


def wesnoth(files: Sequence[Path]) -> Iterator[Pair]:
    """Pairs from the campaigns' catalogues."""
    for file in files:
        for name, content in members(file, [f"*/locale/{language}/LC_MESSAGES/*.mo" for language in LANGUAGES]):
            language = name.split("/locale/")[1].split("/")[0]
            for english, translation in messages(content):
                yield from sentence_pairs(language, plain(english), plain(translation))


def messages(catalogue: bytes) -> Iterator[tuple[str, str]]:
    """Original and translation of each message; Wesnoth writes a context and ^ in front of some originals."""
    import polib  # an extra: only those who build from packages need it

    for entry in polib.mofile(catalogue):
        if entry.msgid and entry.msgstr:
            yield CONTEXT.sub("", entry.msgid), entry.msgstr
