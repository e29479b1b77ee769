"""Parse trees as symbols of their own: brackets and tags, without the words (Vinyals et al. 2015).

The words are left out because they stand in the input: the tree of a sentence is its symbols plus the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from multimodel import trees
from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.sources.wording import shown
from multimodel.tasks.cells import check_length
from multimodel.tasks.text import collate_symbols, ended, until_end
from multimodel.tasks.vocabulary import Vocabulary

ENCODING = "2"  # raise when other trees are taken, or the same ones become other symbols


def tree_symbols(raw: str) -> list[str]:
    """The symbols of a bracketed tree; raises `InputError` if it is none."""
    try:
        return trees.symbols(trees.read_tree(raw))
    except trees.TreeError as error:
        raise InputError(f"This is not a bracketed tree: {error}.") from error


def check_words(raw: str, sentence: str) -> None:
    """Raise `InputError` for a tree over other words than the sentence's, which are put back into every answer.

    The tree may have traces that the sentence lacks.
    """
    tree, given_words = trees.read_tree(raw), trees.as_read(sentence.split())
    tree_words = trees.words(trees.plain(tree))
    if given_words not in (tree_words, trees.words(tree)):
        inside, given = next(pair for pair in zip_longest(tree_words, given_words) if pair[0] != pair[1])
        raise InputError(
            f"The tree has {_word(inside)} where the text has {_word(given)}: "
            "give the text as the words of the tree with spaces between, marks apart."
        )


def _word(word: str | None) -> str:
    return "no more words" if word is None else f"the word {shown(word)}"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree of at most `max_length` symbols, the end symbol included. Raw: one bracketed line, words included."""

    vocabulary: Vocabulary
    max_length: int
    net: str = "text"

    @property
    def spec(self) -> Net:
        """The text net: its vocabulary holds the symbols of trees."""
        return Net(kind="text", size=self.vocabulary.size)

    @property
    def version(self) -> str:
        """The vocabulary, and the way in which trees become symbols."""
        return f"{self.vocabulary.sha256} {ENCODING}"

    def encode(self, raw: str) -> np.ndarray:
        """Ids (t,) int32 of the tree's symbols, the last one the end symbol; raises `InputError` if it is no tree."""
        return ended([self.vocabulary.tree_id(symbol) for symbol in tree_symbols(raw)])

    def encode_many(self, raws: Sequence[str]) -> Iterator[np.ndarray]:
        """`encode` for each."""
        return map(self.encode, raws)

    def fits(self, array: np.ndarray) -> bool:
        """Whether the tree is no longer than the limit."""
        return len(array) <= self.max_length

    def cost(self, array: np.ndarray) -> int:
        """One position per symbol."""
        return len(array)

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
        """Symbols (b, t) and their mask."""
        return collate_symbols(arrays)

    def decode(self, symbols: Sequence[int]) -> list[str]:
        """The tree symbols before the end symbol, e.g. `["(NP", "DT", "NN", ")NP"]`; other ids are skipped."""
        found = map(self.vocabulary.tree_symbol, until_end(symbols))
        return [symbol for symbol in found if symbol is not None]

    def read(self, value: str) -> str:
        """A bracketed tree as text; raises `InputError` if it is none."""
        check_length(value)
        tree_symbols(value)
        return value

    def to_json(self) -> dict[str, Any]:
        """All but the vocabulary, which a run keeps once."""
        return {"kind": "tree", "max_length": self.max_length, "net": self.net}
