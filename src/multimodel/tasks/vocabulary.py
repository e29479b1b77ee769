"""One subword vocabulary for all text of all tasks and languages (paper, section 2.5.1), and the symbols of trees.

Text is byte-level BPE, so that any string survives encoding and decoding. The symbols of trees stand before the
subwords and outside the tokenizer: no text, not even the literal text `<(NP>`, can ever produce one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from multimodel.errors import InputError

PADDING = 0
END = 1
SPECIAL = 2  # `<pad>` and `<eos>`
BYTES = 256
LARGEST = 8192
UNKNOWN_TREE_SYMBOLS = ("(?", ")?", "?")
FORMAT = "multimodel vocabulary 1"


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Ids: 0 padding, 1 end of sequence, then the symbols of trees, then the subwords of text."""

    tree_symbols: tuple[str, ...]
    subwords: Tokenizer = field(repr=False)

    @property
    def size(self) -> int:
        """All ids: padding, end, symbols of trees and subwords."""
        return self._first_subword + self.subwords.get_vocab_size()

    @property
    def _first_subword(self) -> int:
        return SPECIAL + len(self.tree_symbols)

    @cached_property
    def _tree_ids(self) -> dict[str, int]:
        return {symbol: SPECIAL + position for position, symbol in enumerate(self.tree_symbols)}

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without the end symbol."""
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of many texts; one call, as it runs outside Python."""
        first = self._first_subword
        encodings = self.subwords.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[first + subword for subword in encoding.ids] for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the subwords among `ids`; any other id is skipped, broken UTF-8 becomes U+FFFD."""
        first, end = self._first_subword, self.size
        subwords = [int(symbol) - first for symbol in ids if first <= symbol < end]
        return str(self.subwords.decode(subwords, skip_special_tokens=False))

    def tree_id(self, symbol: str) -> int:
        """The id of a symbol such as `(NP`, `NN` or `)NP`; one never seen becomes `(?`, `?` or `)?`."""
        found = self._tree_ids.get(symbol)
        unknown = symbol[0] + "?" if symbol[:1] in ("(", ")") and len(symbol) > 1 else "?"
        return self._tree_ids[unknown] if found is None else found

    def tree_symbol(self, symbol: int) -> str | None:
        """The tree symbol of an id, `None` if the id is none."""
        position = int(symbol) - SPECIAL
        return self.tree_symbols[position] if 0 <= position < len(self.tree_symbols) else None

    @property
    def sha256(self) -> str:
        """Fingerprint of everything the vocabulary holds."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def _text(self) -> str:
        values = {
            "format": FORMAT,
            "tree_symbols": list(self.tree_symbols),
            "subwords": json.loads(self.subwords.to_str()),
        }
        return json.dumps(values, ensure_ascii=False, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write one JSON file."""
        path.write_text(self._text(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote; raises `InputError` if the file is missing or is none."""
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(values["format"])
            subwords = Tokenizer.from_str(json.dumps(values["subwords"]))
            return cls(tree_symbols=tuple(values["tree_symbols"]), subwords=subwords)
        except OSError as error:
            raise InputError(f"The vocabulary {path} cannot be read: {error.strerror}.") from error
        except Exception as error:  # tokenizers raises bare Exception
            raise InputError(f"{path} is not a vocabulary file: {error}.") from error


def train_vocabulary(texts: Iterable[str], tree_symbols: Iterable[str], size: int) -> Vocabulary:
    """Byte-level BPE of `size` ids in all, special ones and symbols of trees included (fewer if the text is small).

    The same texts in any order give the same vocabulary. Raises `InputError` if `size` is too small or above 8192,
    and for trees with more labels than that.
    """
    symbols = tuple(sorted({*tree_symbols, *UNKNOWN_TREE_SYMBOLS}))
    smallest = SPECIAL + len(symbols) + BYTES
    if smallest > LARGEST:
        raise InputError(
            f"The trees have too many labels: {len(symbols):,} symbols, and a vocabulary has room for "
            f"{LARGEST - SPECIAL - BYTES:,}. Give trees with fewer labels, as with NP for NP-SBJ-1."
        )
    if not smallest <= size <= LARGEST:
        raise InputError(f"A vocabulary of {size} is not possible here: choose from {smallest} to {LARGEST}.")
    subwords = Tokenizer(BPE())
    subwords.pre_tokenizer = ByteLevel(add_prefix_space=False)
    subwords.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=size - SPECIAL - len(symbols),
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
        special_tokens=[],
    )
    subwords.train_from_iterator(texts, trainer)
    return Vocabulary(tree_symbols=symbols, subwords=subwords)
