"""Phrase structure in the Penn Treebank's notation: what silver trees are built of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PUNCTUATION = frozenset(["``", "''", ".", ",", ":"])


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A phrase with its parts, or a word with none; `start` is the place of its first word in the sentence."""

    label: str
    start: int
    parts: tuple[Tree, ...] = ()
    word: str = ""

    def __str__(self) -> str:
        """One line in brackets; brackets in words are spelt -LRB- and -RRB-."""
        word = self.word.replace("(", "-LRB-").replace(")", "-RRB-")
        return f"({self.label} {word or ' '.join(map(str, self.parts))})"

    def words(self) -> Iterator[Tree]:
        """The words from left to right."""
        if self.word:
            yield self
        for part in self.parts:
            yield from part.words()


def joined(label: str, parts: Sequence[Tree]) -> Tree:
    """A phrase of parts, put in the order in which they start."""
    ordered = sorted(parts, key=lambda part: part.start)
    return Tree(label=label, start=ordered[0].start, parts=tuple(ordered))


def with_punctuation_raised(tree: Tree) -> Tree:
    """The same words with punctuation at the edge of a phrase hung as high as it may, and needless phrases left out."""
    first, body, last = _lift(tree)
    return joined(body.label, [*first, *(body.parts or (body,)), *last]) if body else tree


def _lift(tree: Tree) -> tuple[list[Tree], Tree | None, list[Tree]]:
    """Punctuation before, the rest, punctuation behind."""
    if tree.word:
        return [], tree, []
    parts: list[Tree] = []
    for part in tree.parts:
        first, body, last = _lift(part)
        parts += [*first, *([body] if body else []), *last]
    start, end = 0, len(parts)
    while start < end and parts[start].label in PUNCTUATION:
        start += 1
    while end > start and parts[end - 1].label in PUNCTUATION:
        end -= 1
    return parts[:start], _tidy(tree.label, parts[start:end]) if end > start else None, parts[end:]


def _tidy(label: str, parts: Sequence[Tree]) -> Tree:
    """A phrase without the placeholder X and without a phrase of the same label as its only part."""
    flat = [part for one in parts for part in (one.parts if one.label == "X" else (one,))]
    only = flat[0] if len(flat) == 1 else None
    return only if only and only.label == label and not only.word else joined(label, flat)
