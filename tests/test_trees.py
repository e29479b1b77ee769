"""Trees read, written, taken apart into symbols and put back together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodel.trees import (
    Tree,
    TreeError,
    bare_label,
    from_symbols,
    plain,
    read_tree,
    right_branching,
    separate_marks,
    spans,
    symbols,
    tags,
    words,
    write_tree,
)

GOAT = "(S (NP (DT the) (NN goat)) (VP (VBD ate) (NP (DT a) (NN hat))) (. .))"

labels = st.sampled_from(["S", "NP", "VP", "SBAR"])
preterminals = st.builds(
    lambda tag, word: Tree(tag, (word,)),
    st.sampled_from(["NN", "-LRB-", ",", "``", "PRP$"]),
    st.text("ab.(-)'é", min_size=1),
)
constituents = st.recursive(
    st.builds(lambda label, leaf: Tree(label, (leaf,)), labels, preterminals),
    lambda inner: st.builds(
        lambda label, children: Tree(label, tuple(children)),
        labels,
        st.lists(st.one_of(preterminals, inner), min_size=1, max_size=4),
    ),
    max_leaves=8,
)
garbage = st.lists(st.one_of(st.sampled_from(["(S", "(NP", ")NP", ")S", ")VP", "NN", "DT"]), st.text(max_size=4)))
sentences = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), max_size=8)


def test_a_tree_is_read_and_written_unchanged() -> None:
    tree = read_tree(GOAT)
    assert write_tree(tree) == GOAT
    assert words(tree) == ["the", "goat", "ate", "a", "hat", "."]
    assert tags(tree) == ["DT", "NN", "VBD", "DT", "NN", "."]
    assert symbols(tree) == ["(S", "(NP", "DT", "NN", ")NP", "(VP", "VBD", "(NP", "DT", "NN", ")NP", ")VP", ".", ")S"]
    assert spans(tree) == [("S", 0, 6), ("NP", 0, 2), ("VP", 2, 5), ("NP", 3, 5)]


@given(constituents)
def test_any_tree_comes_back_from_its_text_and_from_its_symbols(tree: Tree) -> None:
    assert from_symbols(symbols(tree), words(tree)) == tree
    if not any("-LRB-" in word or "-RRB-" in word for word in words(tree)):
        assert read_tree(write_tree(tree)) == tree


@given(garbage, sentences)
def test_any_symbols_give_a_tree_over_exactly_the_words(written: list[str], sentence: list[str]) -> None:
    tree = from_symbols(written, sentence)
    assert words(tree) == sentence
    assert all(start < end for _, start, end in spans(tree)) or not sentence
    assert not sentence or symbols(read_tree(write_tree(tree))) == symbols(tree)


@pytest.mark.parametrize(
    ("written", "repaired"),
    [
        ("(S (NP NN", "(S (NP (NN a)) (XX b) (XX c))"),
        ("(S (NP NN )S VB )S", "(S (S (NP (NN a))) (VB b) (XX c))"),
        ("(S NN )VP NN )NP NN )S )S", "(S (NN a) (NN b) (NN c))"),
        ("(S NN NN NN NN NN )S", "(S (NN a) (NN b) (NN c))"),
        ("(S (NP )NP (VP (NP )NP )VP NN NN NN )S", "(S (NN a) (NN b) (NN c))"),
        ("(NP NN )NP (VP VB )VP", "(S (NP (NN a)) (VP (VB b)) (XX c))"),
        ("(FRAG NN )FRAG", "(FRAG (NN a) (XX b) (XX c))"),
        ("NN", "(S (NN a) (XX b) (XX c))"),
        ("(S )S", "(S (XX a) (XX b) (XX c))"),
        ("", "(S (XX a) (XX b) (XX c))"),
    ],
)
def test_broken_symbols_are_repaired_by_the_stated_rules(written: str, repaired: str) -> None:
    assert write_tree(from_symbols(written.split(), ["a", "b", "c"])) == repaired


def test_thousands_of_brackets_are_no_deeper_than_a_loop() -> None:
    tree = from_symbols(["(NP"] * 5000 + ["NN"], ["a"])
    assert symbols(read_tree(write_tree(plain(tree)))) == ["(NP"] * 5000 + ["NN"] + [")NP"] * 5000
    assert spans(tree) == [("NP", 0, 1)] * 5000


def test_the_outer_bracket_of_penn_files_is_taken_off() -> None:
    assert read_tree(f"( {GOAT} )") == read_tree(GOAT)
    assert read_tree("\n( (S\n  (NN a)) )\n") == read_tree("(S (NN a))")
    assert read_tree("( (S (NN a)) (S (NN b)) )").label == "TOP"


def test_brackets_in_words_survive_writing() -> None:
    tree = Tree("S", (Tree("-LRB-", ("(",)), Tree("NN", ("f(x)",)), Tree("-RRB-", (")",))))
    assert write_tree(tree) == "(S (-LRB- -LRB-) (NN f-LRB-x-RRB-) (-RRB- -RRB-))"
    assert read_tree(write_tree(tree)) == tree


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("(S (NN a)", 9),
        ("(S (NN a)))", 10),
        ("goat", 0),
        ("(S (NN a b))", 10),
        ("(S ())", 4),
        ("(S)", 2),
        ("(S (NP) (NN a))", 6),
        ("(S (NP (PP)) (NN a))", 10),
        ("(S x (NN a))", 11),
    ],
)
def test_text_that_is_no_tree_is_refused_with_the_position(text: str, position: int) -> None:
    with pytest.raises(TreeError, match=rf"\b{position}\b"):
        read_tree(text)


def test_plain_trees_have_no_traces_and_no_functional_tags() -> None:
    tree = read_tree("(S (NP-SBJ-1 (PRP it)) (VP (VBD was) (VP (VBN said) (SBAR (-NONE- 0) (S (-NONE- *T*-2))))))")
    assert write_tree(plain(tree)) == "(S (NP (PRP it)) (VP (VBD was) (VP (VBN said))))"
    assert [bare_label(label) for label in ["NP=2", "PRP$", "-LRB-", "S"]] == ["NP", "PRP$", "-LRB-", "S"]


@pytest.mark.parametrize(
    ("tagged", "tree"),
    [
        ("a/DT b/NN c/VB d/NN ./.", "(S (DT a) (VP (NN b) (VP (VB c) (NN d))) (. .))"),
        ("a/DT ,/, b/NN ,/, c/NN", "(S (DT a) (VP (, ,) (NN b) (, ,) (NN c)))"),
        ("a/DT ,/, b/NN", "(S (DT a) (, ,) (NN b))"),
        ("a/DT", "(S (DT a))"),
        ("./.", "(S (. .))"),
    ],
)
def test_right_branching_trees_run_to_the_end_and_leave_punctuation_out(tagged: str, tree: str) -> None:
    pairs = [leaf.split("/") for leaf in tagged.split()]
    built = right_branching([word for word, _ in pairs], [tag for _, tag in pairs], root="S", inner="VP")
    assert write_tree(built) == tree


@pytest.mark.parametrize(
    ("given", "apart"),
    [
        ("Where is the door?", "Where is the door ?"),
        ("well, it is open ...", "well , it is open ..."),
        ("already apart .", "already apart ."),
        ("J. Smith paid 3.50", "J. Smith paid 3.50"),
    ],
)
def test_marks_at_the_end_of_words_are_set_off(given: str, apart: str) -> None:
    assert separate_marks(given) == apart
