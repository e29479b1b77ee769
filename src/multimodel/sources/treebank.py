"""The Penn Treebank's Wall Street Journal in its own `.mrg` files, as parsers are trained and scored (section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from multimodel.errors import InputError
from multimodel.sources.files import check_regular
from multimodel.sources.rows import Rows, Table, content_fingerprint, file_fingerprint
from multimodel.trees import TreeError, plain, read_tree, words, write_tree

PLACES = ("", "wsj", "WSJ", "mrg/wsj", "parsed/mrg/wsj", "combined", "combined/wsj")
FILES = "[wW][sS][jJ]_*.[mM][rR][gG]"
SPLITS = {**{f"{section:02}": "train" for section in range(2, 22)}, "22": "dev", "23": "test"}

_BRACKET = re.compile(r"\((\s*\()?|\)")


def read_treebank(folder: Path) -> Mapping[str, Rows] | Rows:
    """Columns `sentence` (the words with spaces between) and `tree` (one line of brackets).

    Sections 02-21 are "train", 22 "dev" and 23 "test"; the others are left out. Files without section folders, as in
    NLTK's sample, are not divided. Trees are what EVALB expects: without traces and the constituents they leave empty,
    without functional tags and indices, without the outer empty bracket. A tree of traces alone is left out. Words
    stay as the treebank writes them, `1\\/2` included; only `-LRB-` and `-RRB-` are brackets in `sentence`.
    Raises `InputError` for other layouts.
    """
    for place in PLACES:
        if sections := sorted((folder / place).glob(f"[0-9][0-9]/{FILES}")):
            return _splits(folder, sections)
        if flat := sorted((folder / place).glob(FILES)):
            return _table(flat)
    raise InputError(f"{folder} holds no Penn Treebank: it must hold wsj/02/wsj_0201.mrg and so on.")


def _splits(folder: Path, paths: Sequence[Path]) -> Mapping[str, Rows]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        if path.parent.name in SPLITS:
            found.setdefault(SPLITS[path.parent.name], []).append(path)
    if not found:
        raise InputError(f"{folder} holds none of the sections 02 to 23, as in wsj/02/wsj_0201.mrg: add them.")
    return {split: _table(inside) for split, inside in found.items()}


def _table(paths: Sequence[Path]) -> Table:
    sentences: list[str] = []
    trees: list[str] = []
    places, damaged = [], {}
    for path in paths:
        for line, text in _bracketed(_text(path)):
            try:
                tree = plain(read_tree(text))
                sentence, written = " ".join(words(tree)), write_tree(tree)
                _check(text)
            except TreeError as error:
                damaged[len(trees)] = f"This is no bracketed tree: {error}."
                sentence, written = text, ""
            if sentence:
                sentences.append(sentence)
                trees.append(written)
                places.append(f"{path}, line {line}")
    fingerprint = content_fingerprint([file_fingerprint(path) for path in paths])
    return Table({"sentence": sentences, "tree": trees}, fingerprint, places=places, damaged=damaged)


def _bracketed(text: str) -> Iterator[tuple[int, str]]:
    """Each tree's first line, from 1, and its text.

    A tree begins where no bracket is open, and at a bracket without a label, which stands nowhere else: a bracket that
    is never closed spoils one tree and not the rest of the file. What follows a tree's end is left with that tree.
    """
    starts, depth = [0], 0
    for match in _BRACKET.finditer(text):
        if match.group() == ")":
            depth = max(0, depth - 1)
            continue
        if depth == 0 or match.group(1):
            starts.append(match.start())
            depth = 0
        depth += match.group().count("(")
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if part := text[start:end].strip():
            yield line, part
        line += text.count("\n", start, end)


def _text(path: Path) -> str:
    check_regular(path)
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _check(text: str) -> None:
    if not text.isascii() and re.search("[\udc80-\udcff]", text):
        raise TreeError("its letters are not UTF-8")
