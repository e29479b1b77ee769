"""Example sentences of WordNet, from the glosses of its data files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from multimodel.data.archive import members

EXAMPLE = re.compile(r'"([^"]{10,250})"')


def sentences(files: Sequence[Path]) -> Iterator[str]:
    """Each quoted example once, in the order of the files."""
    seen = set()
    for _, content in sorted(members(files[0], ["*/wordnet/data.*"])):
        for example in examples(content.decode("latin-1")):
            if example not in seen:
                seen.add(example)
                yield example


def examples(data: str) -> Iterator[str]:
    """The quoted parts of the glosses, which follow a bar; lines that start with two spaces are the licence."""
    for line in data.splitlines():
        _, bar, gloss = line.partition("|")
        if bar and not line.startswith("  "):
            yield from (" ".join(example.split()) for example in EXAMPLE.findall(gloss))
