"""Cleans translated paragraphs, cuts them into sentence pairs and keeps the pairs that look like translations."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from multimodel.data.rows import Pair

LANGUAGES = ("de", "fr")
ENGLISH_WORDS = range(3, 41)
TRANSLATED_WORDS = range(2, 51)
LENGTH_RATIO = (0.5, 2.2)
LEAST_LETTERS = 0.8
ENGLISH_SHARE = 0.15
BOUNDARY = re.compile(r"(?<=[.!?…])([\"”»’')\]]*)\s+(?=[\"“«„‘'(\[¿¡–—-]*[^\W\d_a-zà-ÿ]|\d)")
ABBREVIATION = re.compile(
    r"\b(?:z\. ?B|d\. ?h|u\. ?a|usw|bzw|ca|Nr|Mr|Mrs|Ms|Dr|St|e\.g|i\.e|etc|vs|p\. ?ex|cf|M|Mme|No|Abb|Fig)\.$"
)
MARKUP = re.compile(r"[{}$<>\\|_=~^`@#*←-⇿⌘×™´]|%[sd(]|\bhttps?:|\bwww\.|/\w+/")
TAG = re.compile(r"<[^<>]*>")
ENTITY = re.compile(r"&[a-zA-Z][\w.-]*;")
FUNCTION_WORDS = frozenset(["the", "of", "and", "is", "are", "that", "with", "this", "which", "it", "you", "to"])


def plain(markup: str) -> str:
    """Text without tags, entities and odd spaces."""
    text = html.unescape(ENTITY.sub(_known_entity, TAG.sub("", markup)))
    return " ".join(text.replace("\u00ad", "").replace("\u200b", "").split())


def sentence_pairs(language: str, english: str, translation: str) -> Iterator[Pair]:
    """Sentence by sentence where both sides have as many, else the paragraphs as one pair; only plausible pairs."""
    left, right = cut(english), cut(translation)
    if len(left) != len(right):
        left, right = [english], [translation]
    for one, other in zip(left, right, strict=True):
        if plausible(one, other):
            yield Pair(language=language, english=one, translation=other)


def cut(paragraph: str) -> list[str]:
    """Sentences of a paragraph; a full stop that belongs to an abbreviation ends none."""
    found: list[str] = []
    for piece in BOUNDARY.sub(r"\1\n", paragraph).split("\n"):
        if found and ABBREVIATION.search(found[-1]):
            found[-1] += " " + piece
        else:
            found.append(piece)
    return [sentence.strip() for sentence in found if sentence.strip()]


def plausible(english: str, translation: str) -> bool:
    """Whether the two look like one sentence of prose in two languages."""
    least, most = LENGTH_RATIO
    return (
        len(english.split()) in ENGLISH_WORDS
        and len(translation.split()) in TRANSLATED_WORDS
        and english != translation
        and not MARKUP.search(english + " " + translation)
        and least <= len(translation) / len(english) <= most
        and sum(letter.isalpha() or letter == " " for letter in english) >= LEAST_LETTERS * len(english)
        and not looks_english(translation)
    )


def looks_english(text: str) -> bool:
    """Whether a sentence that should be a translation was left in English, by the share of little English words."""
    words = re.findall(r"\w+", text.lower())
    common = sum(word in FUNCTION_WORDS for word in words)
    return common >= 2 and common >= ENGLISH_SHARE * len(words)


def _known_entity(match: re.Match[str]) -> str:
    """Entities of HTML stay for `unescape`; those of a document's own are dropped."""
    return match[0] if html.unescape(match[0]) != match[0] else " "
