"""Word and character error rates of transcripts, through jiwer (paper, section 4: the speech task)."""

from __future__ import annotations

from collections.abc import Sequence

import jiwer

from multimodel.metrics.pairs import check_pairs


def normalised(text: str) -> str:
    """The text as it is compared: lower case, single spaces, none at the ends; punctuation counts."""
    return " ".join(text.lower().split())


def transcript_measure(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`wer` and `cer`: substitutions, deletions and insertions per reference word or character, 0 and up (1 = 100 %).

    Errors are summed over the corpus before dividing. Raises `ValueError` where no reference holds a word.
    """
    check_pairs(hypotheses, references)
    heard = [normalised(text) for text in hypotheses]
    said = [normalised(text) for text in references]
    if not any(said):
        raise ValueError("every reference transcript is empty, so an error rate has nothing to divide by")
    return {"wer": float(jiwer.wer(said, heard)), "cer": float(jiwer.cer(said, heard))}
