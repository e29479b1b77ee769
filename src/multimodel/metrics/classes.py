"""Top-1 and top-5 accuracy of image classes, and the majority class to beat (paper, section 4: ImageNet)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from multimodel.metrics.pairs import check_pairs

Label = TypeVar("Label", bound=Hashable)


def class_measure(hypotheses: Sequence[Sequence[str]], references: Sequence[str]) -> dict[str, float]:
    """`top1`, `top5`: share of items, 0…1, whose class is the first, or among the first five, of its ranked list.

    Each hypothesis is a list of class names, best first; a list shorter than five, even empty, is allowed.
    """
    return {"top1": top_share(hypotheses, references, 1), "top5": top_share(hypotheses, references, 5)}


def top_share(hypotheses: Sequence[Sequence[Label]], references: Sequence[Label], best: int) -> float:
    """Share of items, 0…1, whose class is among the `best` first of its ranked list."""
    check_pairs(hypotheses, references)
    bare = next((ranked for ranked in hypotheses if isinstance(ranked, str)), None)
    if bare is not None:
        raise ValueError(f"a class hypothesis is a list of names, best first; found the bare name {bare!r}")
    right = sum(reference in ranked[:best] for ranked, reference in zip(hypotheses, references, strict=True))
    return right / len(references)


def by_frequency(train: Iterable[Label]) -> list[Label]:
    """Labels by how often they occur, commonest first, ties in order of appearance: as a ranking, the baseline."""
    return [label for label, _ in Counter(train).most_common()]
