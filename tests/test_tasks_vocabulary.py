import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodel.errors import InputError
from multimodel.tasks.vocabulary import END, PADDING, SPECIAL, Vocabulary, train_vocabulary

TEXTS = ["the fox sees the bear", "der Fuchs sieht den Bären", "l'ours voit le renard", "<eos> <(NP> <pad>"] * 5
TREE = ["(NP", ")NP", "DT", "NN", ".", "(S", ")S"]
VOCABULARY = train_vocabulary(TEXTS, TREE, 310)


@given(st.text())
def test_any_text_survives_encoding_and_makes_no_special_symbol(text: str) -> None:
    ids = VOCABULARY.encode(text)
    assert VOCABULARY.decode(ids) == text
    assert all(SPECIAL + len(VOCABULARY.tree_symbols) <= symbol < VOCABULARY.size for symbol in ids)


@pytest.mark.parametrize("text", ["<eos>", "<pad>", "<(NP>", "(NP", "NN", ".", "<.>", " <eos> ", "a<eos>b"])
def test_text_that_looks_like_a_special_symbol_is_ordinary_text(text: str) -> None:
    ids = VOCABULARY.encode(text)
    assert not {PADDING, END, *map(VOCABULARY.tree_id, TREE)} & set(ids)
    assert VOCABULARY.decode(ids) == text


@given(st.lists(st.integers(-5, 400)))
def test_decoding_any_ids_gives_text(ids: list[int]) -> None:
    assert isinstance(VOCABULARY.decode(ids), str)


def test_ids_stand_as_padding_end_tree_symbols_subwords() -> None:
    symbols = [VOCABULARY.tree_symbol(position) for position in range(SPECIAL, SPECIAL + len(VOCABULARY.tree_symbols))]
    assert (PADDING, END) == (0, 1)
    assert set(TREE) < set(symbols)
    assert VOCABULARY.tree_symbol(END) is None
    assert VOCABULARY.tree_symbol(SPECIAL + len(symbols)) is None
    assert [VOCABULARY.tree_id(str(symbol)) for symbol in symbols] == list(range(SPECIAL, SPECIAL + len(symbols)))


def test_tree_symbols_never_seen_keep_their_brackets() -> None:
    unseen = [VOCABULARY.tree_symbol(VOCABULARY.tree_id(symbol)) for symbol in ("(QP", "CD", ")QP")]
    assert unseen == ["(?", "?", ")?"]


def test_training_is_deterministic_and_independent_of_the_order_of_texts() -> None:
    assert train_vocabulary(TEXTS[::-1], TREE[::-1], 310).sha256 == VOCABULARY.sha256
    assert train_vocabulary(TEXTS, TREE, 309).sha256 != VOCABULARY.sha256


def test_size_counts_everything() -> None:
    assert VOCABULARY.size == 310
    assert max(VOCABULARY.encode(" ".join(TEXTS))) < 310


@pytest.mark.parametrize("size", [100, 267, 8193])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(InputError, match="choose from 268 to 8192"):
        train_vocabulary(TEXTS, TREE, size)


def test_trees_with_more_labels_than_a_vocabulary_holds_are_refused_as_such() -> None:
    many = [f"{bracket}X{number}" for number in range(4500) for bracket in "()"]
    with pytest.raises(InputError, match=r"The trees have too many labels: 9,003 symbols, .* room for 7,934\. Give"):
        train_vocabulary(TEXTS, many, 4096)


def test_a_saved_vocabulary_is_the_same_when_loaded(tmp_path: Path) -> None:
    VOCABULARY.save(tmp_path / "vocabulary.json")
    loaded = Vocabulary.load(tmp_path / "vocabulary.json")
    assert loaded.sha256 == VOCABULARY.sha256
    assert loaded.encode("der fox 🦊") == VOCABULARY.encode("der fox 🦊")


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"format": "multimodel vocabulary 1"})])
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a vocabulary file"):
        Vocabulary.load(path)


def test_a_missing_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Vocabulary.load(tmp_path / "none.json")
