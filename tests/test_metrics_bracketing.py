"""Bracket scores by hand, by EVALB's documented rules and against PYEVALB; the right-branching baseline."""

from __future__ import annotations

import random

import pytest
from PYEVALB import parser, scorer

from multimodel.metrics.bracketing import BracketScore, score_trees, tree_measure
from multimodel.metrics.right_branching import fit_right_branching
from multimodel.trees import Tree, TreeError, read_tree, words, write_tree

GOLD = "(S (NP (DT the) (NN goat)) (VP (VBD ate) (NP (DT a) (NN hat))) (. .))"


def test_a_tree_scores_fully_against_itself() -> None:
    assert tree_measure([GOLD], [GOLD]) == dict.fromkeys(
        ["f1", "precision", "recall", "exact_trees", "complete", "tags"], 1
    )


def test_wrong_brackets_and_tags_are_counted_as_by_hand() -> None:
    guess = "(S (NP (DT the) (NN goat)) (VP (VBD ate) (DT a) (PP (NN hat)) (. .)))"
    scores = tree_measure([guess, GOLD], [GOLD, GOLD])
    assert scores["precision"] == scores["recall"] == scores["f1"] == pytest.approx(7 / 8)
    assert scores["exact_trees"] == scores["complete"] == 0.5
    assert scores["tags"] == 1
    assert tree_measure([GOLD.replace("VBD", "NN")], [GOLD])["tags"] == pytest.approx(4 / 5)


def test_scores_are_summed_over_the_corpus_before_dividing() -> None:
    short = read_tree("(S (NN a))")
    total = score_trees(read_tree(GOLD), read_tree(GOLD)) + score_trees(read_tree("(NP (NN a))"), short)
    assert total.f1 == pytest.approx(4 / 5)
    assert sum([total, total], BracketScore()).trees == 4


@pytest.mark.parametrize(
    ("guess", "gold"),
    [
        ("(TOP (S (NN a) (NN b)))", "(S (NN a) (NN b))"),
        ("(S (NP (NN a) (, ,)) (NN b) (. .))", "(S (NP (NN a)) (, ,) (NN b) (. .))"),
        ("(S (ADVP (RP up)) (NN b))", "(S (PRT (RP up)) (NN b))"),
        ("(S (NP (NN a)) (NN b))", "(S (NP-SBJ=2 (NN a)) (SBAR (-NONE- 0) (S (-NONE- *T*-1))) (NN b))"),
        ("(S (NN a) (X (. .)))", "(S (NN a) (. .))"),
    ],
)
def test_evalb_sees_no_difference(guess: str, gold: str) -> None:
    for scores in (tree_measure([guess], [gold]), tree_measure([gold], [guess])):
        assert scores["f1"] == scores["complete"] == 1


def test_punctuation_is_what_the_reference_says_it_is() -> None:
    scores = tree_measure([GOLD.replace("(. .)", "(NN .)")], [GOLD])
    assert scores["f1"] == scores["complete"] == scores["tags"] == 1
    assert scores["exact_trees"] == 0
    assert tree_measure([GOLD.replace("(NN goat)", "(. goat)")], [GOLD])["tags"] == pytest.approx(4 / 5)
    assert tree_measure([GOLD.replace("(NN goat)", "(-NONE- goat)")], [GOLD])["f1"] == 1


def test_equal_brackets_count_as_often_as_they_occur() -> None:
    once, twice = "(S (NP (NN a)))", "(S (NP (NP (NN a))))"
    assert tree_measure([twice], [once])["precision"] == pytest.approx(2 / 3)
    assert tree_measure([twice], [once])["recall"] == 1
    assert tree_measure([once], [twice])["recall"] == pytest.approx(2 / 3)


def test_an_empty_hypothesis_proposes_nothing() -> None:
    scores = tree_measure(["", GOLD], [GOLD, GOLD])
    assert scores["precision"] == 1
    assert scores["recall"] == scores["tags"] == scores["exact_trees"] == 0.5


def test_input_that_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="tree 0: the trees are over different words"):
        tree_measure([GOLD.replace("goat", "coat")], [GOLD])
    with pytest.raises(TreeError, match="tree 1"):
        tree_measure([GOLD, "(S (NN a)"], [GOLD, GOLD])


def test_counts_agree_with_pyevalb_on_random_trees() -> None:
    dice = random.Random(0)
    for _ in range(200):
        sentence = [f"w{i}" for i in range(dice.randint(1, 12))]
        guess, gold = (_random_tree(sentence, dice) for _ in range(2))
        theirs = scorer.Scorer().score_trees(
            parser.create_from_bracket_string(write_tree(gold)), parser.create_from_bracket_string(write_tree(guess))
        )
        ours = score_trees(guess, gold)
        assert (ours.matched, ours.proposed, ours.gold) == (
            theirs.matched_brackets,
            theirs.test_brackets,
            theirs.gold_brackets,
        )
        assert (ours.tags_right, ours.words) == (theirs.correct_tags, theirs.words)
        assert ours.precision == pytest.approx(theirs.prec)
        assert ours.recall == pytest.approx(theirs.recall)


def _random_tree(sentence: list[str], dice: random.Random, label: str = "S") -> Tree:
    """Trees in which no span carries one label twice, where PYEVALB, which counts sets, would differ."""
    if len(sentence) < 3 or dice.random() < 0.2:
        return Tree(label, tuple(Tree(dice.choice(["NN", "VB", "DT"]), (word,)) for word in sentence))
    cut = dice.randint(1, len(sentence) - 1)
    parts = [sentence[:cut], sentence[cut:]]
    return Tree(label, tuple(_random_tree(part, dice, dice.choice(["NP", "VP", "PP"])) for part in parts))


def test_the_baseline_parser_uses_the_commonest_labels_and_tags_and_keeps_the_words() -> None:
    train = [read_tree(GOLD), read_tree("(S (NP (DT the) (NN owl)) (VP (VBD saw) (NP (DT a) (NN cat))) (. .))")]
    baseline = fit_right_branching(train)
    parsed = baseline.parse(["the", "goat", "ate", "a", "kite", "."])
    assert (baseline.root, baseline.inner, baseline.unknown_tag) == ("S", "NP", "NN")
    assert write_tree(parsed) == "(S (DT the) (NP (NN goat) (NP (VBD ate) (NP (DT a) (NN kite)))) (. .))"
    assert words(fit_right_branching([]).parse(["a", "b"])) == ["a", "b"]
