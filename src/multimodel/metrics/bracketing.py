"""Labelled bracketing of parse trees by the rules of EVALB with COLLINS.prm (paper, table 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from multimodel.metrics.pairs import check_pairs
from multimodel.trees import PUNCTUATION, TRACE, Tree, bare_label, plain, read_tree, spans, symbols, tags, words

NOT_COUNTED = frozenset({"TOP"})
SAME_AS = {"PRT": "ADVP"}


@dataclass(frozen=True, kw_only=True)
class BracketScore:
    """Counts over sentences, added with `+`; `exact` and `complete` count sentences, `words` leaves out punctuation."""

    matched: int = 0
    proposed: int = 0
    gold: int = 0
    tags_right: int = 0
    words: int = 0
    exact: int = 0
    complete: int = 0
    trees: int = 0

    def __add__(self, other: BracketScore) -> BracketScore:
        return BracketScore(
            matched=self.matched + other.matched,
            proposed=self.proposed + other.proposed,
            gold=self.gold + other.gold,
            tags_right=self.tags_right + other.tags_right,
            words=self.words + other.words,
            exact=self.exact + other.exact,
            complete=self.complete + other.complete,
            trees=self.trees + other.trees,
        )

    @property
    def precision(self) -> float:
        """Share of the proposed brackets that are in the reference, 0…1."""
        return _share(self.matched, self.proposed)

    @property
    def recall(self) -> float:
        """Share of the reference's brackets that were proposed, 0…1."""
        return _share(self.matched, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0…1."""
        return _share(2 * self.matched, self.proposed + self.gold)


def tree_measure(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Fractions 0…1 over bracketed trees, `(S (NP (DT the) …) …)`, whose words agree pair by pair.

    `f1`, `precision`, `recall`: brackets over the whole corpus. `exact_trees`: trees right in every label and tag (the
    paper's fully right trees). `complete`: EVALB's complete match, which ignores tags and punctuation. `tags`: tagging
    accuracy. An empty hypothesis proposes nothing. Raises `TreeError` for text that is no tree, `ValueError` for trees
    over different words.
    """
    check_pairs(hypotheses, references)
    total = BracketScore()
    for number, (hypothesis, reference) in enumerate(zip(hypotheses, references, strict=True)):
        try:
            total += score_trees(read_tree(hypothesis) if hypothesis.strip() else None, read_tree(reference))
        except ValueError as error:
            raise type(error)(f"tree {number}: {error}") from error
    return {
        "f1": total.f1,
        "precision": total.precision,
        "recall": total.recall,
        "exact_trees": _share(total.exact, total.trees),
        "complete": _share(total.complete, total.trees),
        "tags": _share(total.tags_right, total.words),
    }


def score_trees(hypothesis: Tree | None, reference: Tree) -> BracketScore:
    """The counts of one sentence; None is a parser that gave no tree. Raises `ValueError` for different words.

    The reference's tags say what is punctuation in both trees, so a comma tagged as a noun costs a tag and no sentence.
    """
    if hypothesis is not None and words(hypothesis) != words(reference):
        reference = plain(reference)
        if words(hypothesis) != words(reference):  # not sooner: a guess may call a word that is there a trace
            hypothesis = plain(hypothesis)
    counted = [tag not in PUNCTUATION and tag != TRACE for tag in tags(reference)]
    gold = _brackets(reference, counted)
    if hypothesis is None:
        return BracketScore(gold=gold.total(), words=sum(counted), trees=1)
    if words(hypothesis) != words(reference):
        raise ValueError(f"the trees are over different words: {words(hypothesis)} and {words(reference)}")
    proposed = _brackets(hypothesis, counted)
    pairs = zip(tags(hypothesis), tags(reference), counted, strict=True)
    return BracketScore(
        matched=(gold & proposed).total(),
        proposed=proposed.total(),
        gold=gold.total(),
        tags_right=sum(tag == right and counts for tag, right, counts in pairs),
        words=sum(counted),
        exact=symbols(plain(hypothesis)) == symbols(plain(reference)),
        complete=gold == proposed,
        trees=1,
    )


def _brackets(tree: Tree, counted: Sequence[bool]) -> Counter[tuple[str, int, int]]:
    """The multiset of labelled spans over the counted words alone; what spans none of them is gone."""
    before = [0]
    for counts in counted:
        before.append(before[-1] + counts)
    named = ((bare_label(label), before[start], before[end]) for label, start, end in spans(tree))
    return Counter((SAME_AS.get(label, label), start, end) for label, start, end in named if _kept(label, start, end))


def _kept(label: str, start: int, end: int) -> bool:
    return start < end and label not in NOT_COUNTED


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
