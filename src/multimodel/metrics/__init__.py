"""How well each kind of output was written: measures, the headline number of each, and trivial baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from multimodel.metrics import captions, translations
from multimodel.metrics.bracketing import tree_measure
from multimodel.metrics.captions import caption_measure
from multimodel.metrics.classes import class_measure
from multimodel.metrics.transcripts import transcript_measure
from multimodel.metrics.translations import translation_measure

Measure = Callable[[Sequence[Any], Sequence[Any]], dict[str, float]]

# `bleu` and `chrf` are 0…100, `cider` 0…10, error rates 0 and up, all others fractions 0…1.
MEASURES: dict[str, Measure] = {
    "transcript": transcript_measure,
    "class": class_measure,
    "caption": caption_measure,
    "tree": tree_measure,
    "translation": translation_measure,
}

PRIMARY: dict[str, tuple[str, Literal["higher", "lower"]]] = {
    "transcript": ("wer", "lower"),
    "class": ("top1", "higher"),
    "caption": ("cider", "higher"),
    "tree": ("f1", "higher"),
    "translation": ("bleu", "higher"),
}

SIGNATURES: dict[str, Callable[[], dict[str, str]]] = {
    "caption": captions.signatures,
    "translation": translations.signatures,
}
