"""Exact match, BLEU and CIDEr-D of image captions, each with one or more references (paper, section 4: COCO)."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU

from multimodel.metrics.pairs import check_pairs
from multimodel.metrics.transcripts import normalised

ORDERS = 4
SIGMA = 6.0

_WORD = re.compile(r"\w+(?:['’]\w+)*")

Ngrams = Counter[tuple[str, ...]]
Weights = dict[tuple[str, ...], float]


def caption_measure(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """`exact` (0…1), `bleu` (0…100) and `cider` (CIDEr-D, 0…10), all without regard to case.

    A reference is one caption or a list of them. An exact match agrees with one of them but for case and spaces.
    """
    check_pairs(hypotheses, references)
    several = [[reference] if isinstance(reference, str) else list(reference) for reference in references]
    if not all(several):
        raise ValueError("a hypothesis without any reference caption; give each at least one")
    matches = (normalised(text) in map(normalised, right) for text, right in zip(hypotheses, several, strict=True))
    return {
        "exact": sum(matches) / len(hypotheses),
        "bleu": _bleu().corpus_score(hypotheses, list(itertools.zip_longest(*several))).score,
        "cider": cider([caption_words(text) for text in hypotheses], [list(map(caption_words, r)) for r in several]),
    }


def signatures() -> dict[str, str]:
    """How sacrebleu was called for captions with one reference each."""
    metric = _bleu()
    metric.corpus_score(["a"], [["a"]])
    return {"bleu": str(metric.get_signature())}


def caption_words(text: str) -> list[str]:
    """Lower-case words without punctuation, the unit of CIDEr."""
    return _WORD.findall(text.lower())


def cider(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """CIDEr-D (Vedantam et al. 2015), 0…10: cosine of clipped tf-idf n-grams, n = 1…4, with a penalty on length.

    Words come split. Rarity is counted over the references given, image by image, so a single image scores 0, and
    numbers over different sets of images do not compare.
    """
    check_pairs(hypotheses, references)
    counted = [[_ngrams(reference) for reference in several] for several in references]
    images_with = Counter(ngram for several in counted for ngram in set().union(*several))
    idf = {ngram: math.log(len(references) / images) for ngram, images in images_with.items()}
    never_seen = math.log(len(references))
    total = 0.0
    for hypothesis, several in zip(hypotheses, counted, strict=True):
        weighed = _weigh(_ngrams(hypothesis), idf, never_seen)
        total += sum(_similarity(weighed, _weigh(right, idf, never_seen)) for right in several) / len(several)
    return 10 * total / len(hypotheses)


def _ngrams(words: Sequence[str]) -> Ngrams:
    """How often each run of one to four words occurs."""
    return Counter(tuple(words[i : i + n]) for n in range(1, ORDERS + 1) for i in range(len(words) - n + 1))


def _weigh(ngrams: Ngrams, idf: Weights, never_seen: float) -> tuple[list[Weights], int]:
    """The tf-idf vector of each order, and the number of words."""
    vectors: list[Weights] = [{} for _ in range(ORDERS)]
    for ngram, count in ngrams.items():
        vectors[len(ngram) - 1][ngram] = count * idf.get(ngram, never_seen)
    return vectors, sum(count for ngram, count in ngrams.items() if len(ngram) == 1)


def _similarity(hypothesis: tuple[list[Weights], int], reference: tuple[list[Weights], int]) -> float:
    """Mean over orders of the clipped cosine, times a Gaussian of the difference in length, 0…1."""
    cosines = [_clipped_cosine(mine, theirs) for mine, theirs in zip(hypothesis[0], reference[0], strict=True)]
    difference = hypothesis[1] - reference[1]
    return sum(cosines) / ORDERS * math.exp(-(difference**2) / (2 * SIGMA**2))


def _clipped_cosine(hypothesis: Weights, reference: Weights) -> float:
    """Cosine in which repeating an n-gram beyond the reference earns nothing."""
    product = sum(
        min(weight, reference.get(ngram, 0.0)) * reference.get(ngram, 0.0) for ngram, weight in hypothesis.items()
    )
    norms = math.hypot(*hypothesis.values()) * math.hypot(*reference.values())
    return product / norms if norms else 0.0


def _bleu() -> BLEU:
    return BLEU(lowercase=True)
