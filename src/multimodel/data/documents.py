"""Translated paragraphs of documents that have the same structure in every language: Mallard pages and HTML books."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from multimodel.data.archive import members
from multimodel.data.rows import Pair
from multimodel.data.sentences import LANGUAGES, plain, sentence_pairs

Blocks = list[tuple[str, str]]
MALLARD_ASIDE = re.compile(r"<(info|comment|code|screen)\b.*?</\1>", re.DOTALL)
MALLARD_BLOCK = re.compile(r"<(p|title)\b[^>]*>(.*?)</\1>", re.DOTALL)
HTML_ASIDE = re.compile(r"<(head|pre)\b.*?</\1>", re.DOTALL)
HTML_BLOCK = re.compile(r'<(p|h[1-4]|dt|div class="para")[^>]*>(.*?)</(?:p|h[1-4]|dt|div)>', re.DOTALL)


def mallard_blocks(page: str) -> Blocks:
    """Kind and text of each paragraph and title of a Mallard page (GNOME's help format)."""
    return _blocks(MALLARD_BLOCK, MALLARD_ASIDE.sub("", page))


def html_blocks(page: str) -> Blocks:
    """Kind and text of each paragraph, heading and term of an HTML page of the Debian handbook."""
    return _blocks(HTML_BLOCK, HTML_ASIDE.sub("", page))


def gnome_help(files: Sequence[Path]) -> Iterator[Pair]:
    """Pairs from the help of the GNOME desktop."""
    pages = _pages(files, [f"usr/share/help/{place}/*.page" for place in ("C", *LANGUAGES)])
    return _pairs(pages, "/help/C/", {language: f"/help/{language}/" for language in LANGUAGES}, mallard_blocks)


def debian_handbook(files: Sequence[Path]) -> Iterator[Pair]:
    """Pairs from The Debian Administrator's Handbook."""
    places = {"de": "/de-DE/", "fr": "/fr-FR/"}
    pages = _pages(files, [f"*/html{place}*.html" for place in ("/en-US/", *places.values())])
    return _pairs(pages, "/en-US/", places, html_blocks)


def aligned(english: Blocks, translated: Blocks) -> Iterator[tuple[str, str]]:
    """Texts that stand at the same place; none when the kinds differ anywhere, as then nothing is sure to match."""
    if [kind for kind, _ in english] == [kind for kind, _ in translated]:
        yield from ((one, other) for (_, one), (_, other) in zip(english, translated, strict=True) if one != other)


def _blocks(pattern: re.Pattern[str], page: str) -> Blocks:
    return [(kind, plain(text)) for kind, text in pattern.findall(page) if plain(text)]


def _pages(files: Sequence[Path], patterns: Sequence[str]) -> dict[str, str]:
    return {name: content.decode("utf-8") for file in files for name, content in members(file, patterns)}


def _pairs(
    pages: dict[str, str], original: str, places: dict[str, str], blocks: Callable[[str], Blocks]
) -> Iterator[Pair]:
    for name in sorted(name for name in pages if original in name):
        for language, place in places.items():
            translated = pages.get(name.replace(original, place))
            if translated is not None:
                for one, other in aligned(blocks(pages[name]), blocks(translated)):
                    yield from sentence_pairs(language, one, other)
