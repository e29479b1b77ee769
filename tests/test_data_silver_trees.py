"""Silver trees on hand-made dependency parses: all words in order, and the brackets one expects."""

from __future__ import annotations

import random
from typing import Any

import pytest

from multimodel.data.phrases import Tree, joined, with_punctuation_raised
from multimodel.data.silver_trees import phrase, tree_of

spacy = pytest.importorskip("spacy")

NOUN_ROLES = ["det", "amod", "compound", "poss", "prep", "relcl", "conj", "cc", "punct"]
VERB_ROLES = ["nsubj", "dobj", "attr", "pobj", "advmod", "aux", "mark", "ccomp", "xcomp"]
TAGS = ["NN", "NNS", "VBD", "VB", "VBZ", "IN", "JJ", "RB", "DT", "CC", ",", "TO", "WDT", "PRP", "MD", "VBG"]


def parsed(*words: tuple[str, str, str, int]) -> Any:
    """A document of (word, tag, role, place of the head)."""
    texts, tags, roles, heads = zip(*words, strict=True)
    vocabulary = spacy.vocab.Vocab()
    return spacy.tokens.Doc(vocabulary, words=list(texts), tags=list(tags), deps=list(roles), heads=list(heads))


CASES = {
    "(S (NP (DT the) (JJ old) (NN owl)) (VP (VBD slept) (PP (IN in) (NP (DT a) (NN tree)))) (. .))": parsed(
        ("the", "DT", "det", 2),
        ("old", "JJ", "amod", 2),
        ("owl", "NN", "nsubj", 3),
        ("slept", "VBD", "ROOT", 3),
        ("in", "IN", "prep", 3),
        ("a", "DT", "det", 6),
        ("tree", "NN", "pobj", 4),
        (".", ".", "punct", 3),
    ),
    "(S (NP (PRP she)) (VP (MD will) (RB not) (VP (VP (VB eat)) (CC or) (VP (VB drink) (NP (NN tea))))))": parsed(
        ("she", "PRP", "nsubj", 3),
        ("will", "MD", "aux", 3),
        ("not", "RB", "neg", 3),
        ("eat", "VB", "ROOT", 3),
        ("or", "CC", "cc", 3),
        ("drink", "VB", "conj", 3),
        ("tea", "NN", "dobj", 5),
    ),
    "(S (S (NP (PRP he)) (VP (VBD sang))) (, ,) (CC and) (S (NP (PRP we)) (VP (VBD left))))": parsed(
        ("he", "PRP", "nsubj", 1),
        ("sang", "VBD", "ROOT", 1),
        (",", ",", "punct", 1),
        ("and", "CC", "cc", 1),
        ("we", "PRP", "nsubj", 5),
        ("left", "VBD", "conj", 1),
    ),
    "(S (NP (NP (DT the) (NN man)) (SBAR (WHNP (WP who)) (S (VP (VBD sang))))) (VP (VBD left)))": parsed(
        ("the", "DT", "det", 1),
        ("man", "NN", "nsubj", 4),
        ("who", "WP", "nsubj", 3),
        ("sang", "VBD", "relcl", 1),
        ("left", "VBD", "ROOT", 4),
    ),
    "(S (NP (PRP I)) (VP (VBP think) (SBAR (S (NP (PRP he)) (VP (VBZ knows) (SBAR (IN that) (S (NP (NN tea)) "
    "(VP (VBZ helps)))))))))": parsed(
        ("I", "PRP", "nsubj", 1),
        ("think", "VBP", "ROOT", 1),
        ("he", "PRP", "nsubj", 3),
        ("knows", "VBZ", "ccomp", 1),
        ("that", "IN", "mark", 6),
        ("tea", "NN", "nsubj", 6),
        ("helps", "VBZ", "ccomp", 3),
    ),
    "(SBARQ (WHNP (WP What)) (SQ (VBD did) (NP (PRP you)) (VP (VB see))) (. ?))": parsed(
        ("What", "WP", "dobj", 3),
        ("did", "VBD", "aux", 3),
        ("you", "PRP", "nsubj", 3),
        ("see", "VB", "ROOT", 3),
        ("?", ".", "punct", 3),
    ),
    "(SQ (VBZ Is) (NP (DT the) (NN tea)) (ADJP (RB too) (JJ hot)) (. ?))": parsed(
        ("Is", "VBZ", "ROOT", 0),
        ("the", "DT", "det", 2),
        ("tea", "NN", "nsubj", 0),
        ("too", "RB", "advmod", 4),
        ("hot", "JJ", "acomp", 0),
        ("?", ".", "punct", 0),
    ),
    "(S (NP (PRP we)) (VP (VBD bought) (NP (NNS pears) (, ,) (NNS plums) (CC and) (NN tea))))": parsed(
        ("we", "PRP", "nsubj", 1),
        ("bought", "VBD", "ROOT", 1),
        ("pears", "NNS", "dobj", 1),
        (",", ",", "punct", 2),
        ("plums", "NNS", "conj", 2),
        ("and", "CC", "cc", 4),
        ("tea", "NN", "conj", 4),
    ),
    "(S (NP (NP (DT the) (NN owl) (POS 's)) (NN nest)) (VP (VBD had) (VP (VBN been) (VP (VBN found)))))": parsed(
        ("the", "DT", "det", 1),
        ("owl", "NN", "poss", 3),
        ("'s", "POS", "case", 1),
        ("nest", "NN", "nsubjpass", 6),
        ("had", "VBD", "aux", 6),
        ("been", "VBN", "auxpass", 6),
        ("found", "VBN", "ROOT", 6),
    ),
    "(S (NP (PRP we)) (VP (VBD found) (S (NP (DT the) (NN tea)) (ADJP (JJ good)))))": parsed(
        ("we", "PRP", "nsubj", 1),
        ("found", "VBD", "ROOT", 1),
        ("the", "DT", "det", 3),
        ("tea", "NN", "nsubj", 4),
        ("good", "JJ", "ccomp", 1),
    ),
    "(S (NP (PRP I)) (VP (VBP want) (S (VP (TO to) (VP (VB give) (PRT (RP up)))))))": parsed(
        ("I", "PRP", "nsubj", 1),
        ("want", "VBP", "ROOT", 1),
        ("to", "TO", "aux", 3),
        ("give", "VB", "xcomp", 1),
        ("up", "RP", "prt", 3),
    ),
    "(S (NP (NN tea)) (-LRB- -LRB-) (ADJP (JJ hot)) (-RRB- -RRB-) (VP (VBZ helps)))": parsed(
        ("tea", "NN", "nsubj", 4),
        ("(", "-LRB-", "punct", 4),
        ("hot", "JJ", "advcl", 4),
        (")", "-RRB-", "punct", 4),
        ("helps", "VBZ", "ROOT", 4),
    ),
}


@pytest.mark.parametrize("tree", CASES)
def test_a_parse_becomes_the_expected_tree(tree: str) -> None:
    assert str(tree_of(CASES[tree])) == tree


def test_fragments_give_no_tree() -> None:
    assert tree_of(parsed(("an", "DT", "det", 2), ("old", "JJ", "amod", 2), ("owl", "NN", "ROOT", 2))) is None


def test_crossing_dependents_give_no_tree() -> None:
    doc = parsed(
        ("owls", "NNS", "nsubj", 2),
        ("today", "NN", "npadvmod", 2),
        ("came", "VBD", "ROOT", 2),
        ("that", "WDT", "nsubj", 4),
        ("sing", "VBP", "relcl", 0),
    )
    assert tree_of(doc) is None


def test_every_projective_parse_keeps_its_words_in_order() -> None:
    dice = random.Random(5)
    for _ in range(400):
        size = dice.randint(2, 12)
        heads, root = _projective(dice, size)
        words = [(f"w{n}", dice.choice(TAGS), dice.choice(NOUN_ROLES + VERB_ROLES), heads[n]) for n in range(size)]
        words[root] = (f"w{root}", "VBD", "ROOT", root)
        tree = with_punctuation_raised(phrase(parsed(*words)[root]))
        assert [word.word for word in tree.words()] == [f"w{n}" for n in range(size)]


def _projective(dice: random.Random, size: int) -> tuple[list[int], int]:
    """Heads of a parse without crossing lines, and its root."""
    heads = [0] * size

    def attach(low: int, high: int, head: int) -> None:
        """Give the words low … high−1 heads within themselves, the topmost below `head`."""
        while low < high:
            cut = dice.randint(low + 1, high)
            top = dice.randrange(low, cut)
            heads[top] = head
            attach(low, top, top)
            attach(top + 1, cut, top)
            low = cut

    root = dice.randrange(size)
    heads[root] = root
    attach(0, root, root)
    attach(root + 1, size, root)
    return heads, root


def test_punctuation_rises_to_where_it_may_hang_highest() -> None:
    def word(place: int, label: str, text: str) -> Tree:
        return Tree(label=label, start=place, word=text)

    inner = joined("NP", [word(2, "NN", "tea"), word(3, ",", ",")])
    tree = joined("S", [joined("VP", [word(1, "VB", "drink"), inner]), word(4, "UH", "please")])
    assert str(with_punctuation_raised(tree)) == "(S (VP (VB drink) (NP (NN tea))) (, ,) (UH please))"


def test_brackets_inside_words_do_not_break_the_tree() -> None:
    assert str(Tree(label="NN", start=0, word=":-(")) == "(NN :--LRB-)"
