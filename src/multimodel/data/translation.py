"""Translation parts: English with German and with French, split by the English sentence so that no direction leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from multimodel.data.catalogues import wesnoth
from multimodel.data.documents import debian_handbook, gnome_help
from multimodel.data.rows import Pair, Row
from multimodel.data.sentences import LANGUAGES
from multimodel.sources.splits import identifier, key, split_of

SCHEMAS = {
    f"en-{language}": pa.schema([(name, pa.string()) for name in ("id", "en", language, "source", "split")])
    for language in LANGUAGES
}


def rows(packages: Mapping[str, Sequence[Path]]) -> dict[str, list[Row]]:
    """Rows by table, each English sentence once in a table."""
    found: dict[str, dict[str, Row]] = {language: {} for language in LANGUAGES}
    for source, files in packages.items():
        for pair in READERS[source](files):
            found[pair.language].setdefault(key(pair.english), _row(source, pair))
    return {f"en-{language}": list(by_key.values()) for language, by_key in found.items()}


def _row(source: str, pair: Pair) -> Row:
    return {
        "id": identifier(source, pair.english),
        "en": pair.english,
        pair.language: pair.translation,
        "source": source,
        "split": split_of(pair.english),
    }


READERS: dict[str, Callable[[Sequence[Path]], Iterable[Pair]]] = {
    "gnome-help": gnome_help,
    "debian-handbook": debian_handbook,
    "wesnoth": wesnoth,
    "wesnoth-more": wesnoth,
}
