"""Corpus BLEU and chrF of translations, through sacrebleu, with the signatures that make scores comparable."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from multimodel.metrics.pairs import check_pairs


def translation_measure(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`bleu` and `chrf` over the corpus, cased, 0…100, on plain (not tokenised) text; print `signatures()` beside."""
    check_pairs(hypotheses, references)
    return {
        "bleu": BLEU().corpus_score(hypotheses, [references]).score,
        "chrf": CHRF().corpus_score(hypotheses, [references]).score,
    }


def signatures() -> dict[str, str]:
    """How sacrebleu was called: its version, tokeniser, case and smoothing, one line for each measure."""
    metrics = {"bleu": BLEU(), "chrf": CHRF()}
    for metric in metrics.values():
        metric.corpus_score(["a"], [["a"]])  # a signature tells the number of references only after a score
    return {name: str(metric.get_signature()) for name, metric in metrics.items()}
