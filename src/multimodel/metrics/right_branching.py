"""The trivial parser to beat: right-branching trees with the labels and tags that training trees use most."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from multimodel.trees import PUNCTUATION, ROOT, UNKNOWN_TAG, Tree, plain, right_branching, spans, tags, words


@dataclass(frozen=True, kw_only=True)
class RightBranchingParser:
    """What the baseline knows: two labels, the commonest tag of each word, and a tag for words never seen."""

    root: str
    inner: str
    tag_of: Mapping[str, str]
    unknown_tag: str

    def parse(self, sentence: Sequence[str]) -> Tree:
        """The right-branching tree over the words of a sentence."""
        sentence_tags = [self.tag_of.get(word, self.unknown_tag) for word in sentence]
        return right_branching(sentence, sentence_tags, root=self.root, inner=self.inner)


def fit_right_branching(train: Iterable[Tree]) -> RightBranchingParser:
    """Choose by counting: the inner label is the one that most often runs to the end, which is where it will be used.

    Words never seen get the tag that most often goes with words seen once.
    """
    roots: Counter[str] = Counter()
    inner: Counter[str] = Counter()
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for tree in map(plain, train):
        sentence_tags = tags(tree)
        end = max((i + 1 for i, tag in enumerate(sentence_tags) if tag not in PUNCTUATION), default=0)
        roots[tree.label] += 1
        inner.update(label for label, start, stop in spans(tree) if start > 0 and stop >= end > start + 1)
        for word, tag in zip(words(tree), sentence_tags, strict=True):
            seen[word][tag] += 1
    once = Counter(_commonest(counts, UNKNOWN_TAG) for counts in seen.values() if counts.total() == 1)
    return RightBranchingParser(
        root=_commonest(roots, ROOT),
        inner=_commonest(inner, ROOT),
        tag_of={word: _commonest(counts, UNKNOWN_TAG) for word, counts in seen.items()},
        unknown_tag=_commonest(once, UNKNOWN_TAG),
    )


def _commonest(counts: Counter[str], otherwise: str) -> str:
    return max(sorted(counts), key=lambda label: counts[label], default=otherwise)
