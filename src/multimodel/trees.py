"""Constituency trees in Penn Treebank brackets, and the same trees as symbols without words (paper, section 4).

The parsing task reads words and writes symbols: `(NP DT NN )NP`, a preterminal being its bare tag. `from_symbols` puts
the words back and makes a tree of whatever a decoder wrote. Nothing here recurses, so a decoder that opens a thousand
brackets does no harm.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from multimodel.errors import InputError

ROOT = "S"
UNKNOWN_TAG = "XX"
SHOWN = 20  # letters of a text in a message
TRACE = "-NONE-"
PUNCTUATION = frozenset({",", ":", "``", "''", "."})

_TOKEN = re.compile(r"[()]|[^\s()]+")
_NOT_IN_LABELS = re.compile(r"[\s()]")


class TreeError(InputError):
    """A text that is no bracketed tree; the message names the position in characters, counted from 0."""


@dataclass(frozen=True)
class Tree:
    """A constituent over smaller ones, or a preterminal: a tag over exactly one word."""

    label: str
    children: tuple[Tree | str, ...]

    @property
    def word(self) -> str | None:
        """The word below a preterminal, None for a constituent."""
        only = self.children[0] if len(self.children) == 1 else None
        return only if isinstance(only, str) else None


@dataclass
class _Open:
    """A constituent that is still being read."""

    label: str
    children: list[Tree] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    start: int = 0


def read_tree(text: str) -> Tree:
    """Read one bracketed tree; the outer bracket of Penn files, `( (S …) )`, is taken off.

    In words `-LRB-` and `-RRB-` become the brackets that they stand for. Raises `TreeError` naming the position.
    """
    open_ones: list[_Open] = []
    root: Tree | None = None
    after_bracket = False
    for match in _TOKEN.finditer(text):
        token, position = match.group(), match.start()
        if root is not None:
            raise TreeError(
                f"text after the end of the tree at position {position}: {text[position : position + SHOWN]!r}"
            )
        if token == "(":
            open_ones.append(_Open("", start=position))
        elif not open_ones:
            found = token[:SHOWN]
            raise TreeError(f"expected '(' at position {position}, found {found!r}; a tree reads (S (NN word) …)")
        elif token == ")":
            tree = _closed(open_ones.pop(), position)
            if open_ones:
                open_ones[-1].children.append(tree)
            else:
                root = tree
        elif after_bracket:
            open_ones[-1].label = token
        else:
            open_ones[-1].words.append(_unescape(token))
        after_bracket = token == "("
    if root is None:
        opened = f"the bracket opened at position {open_ones[-1].start} is never closed" if open_ones else "it is empty"
        raise TreeError(f"no complete tree in the text, which ends at position {len(text)}: {opened}")
    return root


def _closed(constituent: _Open, position: int) -> Tree:
    """The tree of a bracket that closes at `position`."""
    label, children, words = constituent.label, constituent.children, constituent.words
    if words and (children or len(words) > 1):
        found = " ".join(words[:SHOWN])[:SHOWN]
        raise TreeError(f"the bracket closed at position {position} must hold one word or only brackets: {found!r}")
    if not (words or children):
        after = f" but for {label[:SHOWN]!r}: every bracket must hold a word or further brackets" if label else ""
        raise TreeError(f"the bracket closed at position {position} is empty{after}")
    if label:
        return Tree(label, tuple(words or children))
    return children[0] if len(children) == 1 else Tree("TOP", tuple(children))


def separate_marks(text: str) -> str:
    """Punctuation that ends a word, set off as the treebanks do: `the door.` becomes `the door .`.

    Words that are already apart stay as they are, and so does a full stop after a single letter, as in `J. Smith`.
    """
    return re.sub(r"(?<=\w\w)([.,;:!?…]+)(?=\s|$)", r" \1", text)


def write_tree(tree: Tree) -> str:
    """The tree on one line, `(S (NP (DT the) (NN dog)) …)`, with brackets in words written `-LRB-` and `-RRB-`."""
    parts: list[str] = []
    for step, node in _walk(tree):
        if step == "word":
            parts.append(f" ({node.label} {_escape(node.word or '')})")
        else:
            parts.append(f" ({node.label}" if step == "open" else ")")
    return "".join(parts).lstrip()


def words(tree: Tree) -> list[str]:
    """The sentence."""
    return [node.word for _, node in _walk(tree) if node.word is not None]


def as_read(sentence: Sequence[str]) -> list[str]:
    """Words as they are once they were written into a tree and read again."""
    return [_unescape(_escape(word)) for word in sentence]


def tags(tree: Tree) -> list[str]:
    """The tag of each word."""
    return [node.label for step, node in _walk(tree) if step == "word"]


def symbols(tree: Tree) -> list[str]:
    """The tree without its words, the targets of parsing: `(S (NP DT NN )NP … )S`, one list item each."""
    prefix = {"open": "(", "word": "", "close": ")"}
    return [prefix[step] + node.label for step, node in _walk(tree)]


def spans(tree: Tree) -> list[tuple[str, int, int]]:
    """Every constituent, preterminals left out, as (label, first word, end), in the order in which they open."""
    found: list[tuple[str, int, int]] = []
    open_ones: list[int] = []
    position = 0
    for step, node in _walk(tree):
        if step == "word":
            position += 1
        elif step == "open":
            open_ones.append(len(found))
            found.append((node.label, position, position))
        else:
            label, start, _ = found[open_ones[-1]]
            found[open_ones.pop()] = (label, start, position)
    return found


def from_symbols(written: Sequence[str], sentence: Sequence[str]) -> Tree:
    """Put the words of a sentence back into symbols that need not be well formed; the yield is always `sentence`.

    What is left open is closed at the end. A closing label closes up to the nearest open constituent of its name, and
    is dropped when there is none. Tags beyond the last word and empty constituents are dropped. Words beyond the last
    tag hang under the root as `(XX word)`. Several roots get an `S` above them; no symbols at all give a flat `S`.
    """
    open_ones, used = [_Open("")], 0
    open_labels: Counter[str] = Counter()
    for symbol in written:
        label = _NOT_IN_LABELS.sub("", symbol) or UNKNOWN_TAG
        if symbol.startswith("("):
            open_ones.append(_Open(label))
            open_labels[label] += 1
        elif symbol.startswith(")"):
            _close_up_to(open_ones, label, open_labels)
        elif used < len(sentence):
            open_ones[-1].children.append(Tree(label, (sentence[used],)))
            used += 1
    while len(open_ones) > 1:
        _close_last(open_ones)
    rest = tuple(Tree(UNKNOWN_TAG, (word,)) for word in sentence[used:])
    roots = tuple(open_ones[0].children)
    if len(roots) == 1 and roots[0].word is None:
        return Tree(roots[0].label, roots[0].children + rest)
    return Tree(ROOT, roots + rest)


def _close_up_to(open_ones: list[_Open], label: str, open_labels: Counter[str]) -> None:
    """Close the nearest open constituent called `label` and all inside it, or nothing: what is open is counted."""
    still_open = max(0, open_labels[label] - 1)
    while open_labels[label] > still_open:
        open_labels[open_ones[-1].label] -= 1
        _close_last(open_ones)


def _close_last(open_ones: list[_Open]) -> None:
    """Move the innermost open constituent into the one around it, unless it is empty."""
    last = open_ones.pop()
    if last.children:
        open_ones[-1].children.append(Tree(last.label, tuple(last.children)))


def plain(tree: Tree) -> Tree:
    """The tree that parsers learn: no traces, no constituents emptied by that, `NP` for `NP-SBJ-1` and `NP=2`."""
    kept: list[str] = []
    sentence: list[str] = []
    for step, node in _walk(tree):
        if step != "word":
            kept.append(("(" if step == "open" else ")") + bare_label(node.label))
        elif node.label != TRACE:
            kept.append(node.label)
            sentence.append(node.word or "")
    return from_symbols(kept, sentence)


def bare_label(label: str) -> str:
    """A label without functional tags and indices; labels that begin with a hyphen, like `-LRB-`, stay."""
    return label if label.startswith("-") else re.split(r"[-=]", label, maxsplit=1)[0] or label


def right_branching(sentence: Sequence[str], sentence_tags: Sequence[str], *, root: str, inner: str) -> Tree:
    """The trivial parse: each word opens a constituent that runs to the end, `(S (DT a) (VP (NN b) (VBZ c)))`.

    Punctuation opens nothing, and what ends the sentence hangs under the root, as in the Penn Treebank.
    """
    leaves = [Tree(tag, (word,)) for word, tag in zip(sentence, sentence_tags, strict=True)]
    end = max((i + 1 for i, leaf in enumerate(leaves) if leaf.label not in PUNCTUATION), default=0)
    children: tuple[Tree, ...] = ()
    words_inside = 0
    for leaf in reversed(leaves[:end]):
        opens = leaf.label not in PUNCTUATION and words_inside >= 2
        children = (leaf, Tree(inner, children)) if opens else (leaf, *children)
        words_inside += leaf.label not in PUNCTUATION
    return Tree(root, children + tuple(leaves[end:]))


def _walk(tree: Tree) -> Iterator[tuple[Literal["open", "word", "close"], Tree]]:
    """Every node from left to right: preterminals once, constituents when they open and when they close."""
    waiting: list[tuple[Literal["open", "close"], Tree]] = [("open", tree)]
    while waiting:
        step, node = waiting.pop()
        if step == "open" and node.word is not None:
            yield "word", node
            continue
        yield step, node
        if step == "open":
            waiting.append(("close", node))
            waiting.extend(("open", child) for child in reversed(node.children) if isinstance(child, Tree))


def _escape(word: str) -> str:
    return word.replace("(", "-LRB-").replace(")", "-RRB-")


def _unescape(word: str) -> str:
    return word.replace("-LRB-", "(").replace("-RRB-", ")")
