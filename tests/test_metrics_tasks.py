"""Measures of transcripts, classes, captions and translations, and the table that names them."""

from __future__ import annotations

from typing import Any

import pytest
import sacrebleu

from multimodel.metrics import MEASURES, PRIMARY, SIGNATURES
from multimodel.metrics.captions import caption_measure, caption_words, cider
from multimodel.metrics.classes import by_frequency, class_measure, top_share
from multimodel.metrics.transcripts import transcript_measure
from multimodel.metrics.translations import translation_measure

TREE = "(S (NP (NN a)) (VP (VB b)))"
PERFECT: dict[str, tuple[list[Any], list[Any]]] = {
    "transcript": (["a red kite", "the sea"], ["a red kite", "the sea"]),
    "class": ([["cat", "dog", "owl"], ["owl"]], ["cat", "owl"]),
    "caption": (["a red kite in the wind", "two owls on a roof"], ["a red kite in the wind", "two owls on a roof"]),
    "tree": ([TREE], [TREE]),
    "translation": (["ein roter Drachen im Wind"], ["ein roter Drachen im Wind"]),
}
BEST = {"wer": 0, "cer": 0, "bleu": 100, "chrf": 100, "cider": 10}

CAPTIONS = [
    ("a red kite over the sea", ["a red kite flies over the sea", "a kite in the sky"]),
    ("two dogs dogs dogs run on the sand", ["two dogs run on the wet sand"]),
    ("", ["an empty street at night"]),
    ("a boat", ["a small boat on the calm sea", "a boat in the harbour", "the boat"]),
    ("an old man reads the paper on a bench in the park", ["a man reads on a bench"]),
]


@pytest.mark.parametrize("kind", MEASURES)
def test_a_perfect_output_gets_the_best_value_of_every_measure(kind: str) -> None:
    scores = MEASURES[kind](*PERFECT[kind])
    assert scores == pytest.approx({name: BEST.get(name, 1) for name in scores})


@pytest.mark.parametrize("kind", MEASURES)
def test_an_empty_output_is_scored_and_never_better(kind: str) -> None:
    hypotheses, references = PERFECT[kind]
    nothing = [[] if kind == "class" else ""] * len(hypotheses)
    headline, direction = PRIMARY[kind]
    worst, best = MEASURES[kind](nothing, references), MEASURES[kind](hypotheses, references)
    assert (worst[headline] > best[headline]) == (direction == "lower")
    assert worst[headline] != best[headline]


@pytest.mark.parametrize("kind", MEASURES)
def test_no_pairs_and_uneven_pairs_are_refused(kind: str) -> None:
    hypotheses, references = PERFECT[kind]
    with pytest.raises(ValueError, match="at least one"):
        MEASURES[kind]([], [])
    with pytest.raises(ValueError, match="hypotheses for"):
        MEASURES[kind]([*hypotheses, hypotheses[0]], references)


def test_every_measure_has_a_headline_and_every_kind_a_test_case() -> None:
    assert set(MEASURES) == set(PRIMARY) == set(PERFECT)
    assert set(SIGNATURES) <= set(MEASURES)


def test_error_rates_count_edits_over_the_corpus() -> None:
    scores = transcript_measure(["the  Cat sat", "on"], ["the cat", "on a mat"])
    assert scores["wer"] == pytest.approx(3 / 5)
    assert scores["cer"] == pytest.approx((4 + 6) / (7 + 8))
    assert transcript_measure(["a", "b"], ["", "b"])["wer"] == 1


def test_transcripts_without_any_reference_word_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        transcript_measure(["a"], [" "])


def test_the_right_class_counts_only_among_the_first() -> None:
    ranked = [list("abcdef"), list("bacdef"), list("fedcba"), list("a")]
    assert class_measure(ranked, ["a", "a", "a", "b"]) == {"top1": 0.25, "top5": 0.5}
    assert top_share([[3, 1], [1, 3]], [1, 1], best=2) == 1


def test_a_bare_class_name_is_no_ranking() -> None:
    with pytest.raises(ValueError, match="list of names"):
        class_measure(["cat"], ["cat"])


def test_the_majority_ranking_scores_its_share() -> None:
    ranked = by_frequency(["dog", "cat", "cat", "owl", "cat", "owl"])
    assert ranked == ["cat", "owl", "dog"]
    assert class_measure([ranked] * 4, ["cat", "dog", "fox", "cat"]) == {"top1": 0.5, "top5": 0.75}


def test_cider_agrees_with_the_coco_caption_code() -> None:
    """The expected number is what CiderScorer(n=4, sigma=6.0) of pycocoevalcap 1.2 gives for these captions."""
    hypotheses = [hypothesis.split() for hypothesis, _ in CAPTIONS]
    references = [[reference.split() for reference in several] for _, several in CAPTIONS]
    assert cider(hypotheses, references) == pytest.approx(2.1624562122709294, rel=1e-12)


def test_cider_earns_nothing_by_repeating_words() -> None:
    references = [["two", "dogs", "run"], ["a", "boat"]]
    once, more = (cider([caption, ["a", "boat"]], [[r] for r in references]) for caption in (["dogs"], ["dogs"] * 9))
    assert more < once


def test_captions_are_compared_without_case_and_with_any_of_their_references() -> None:
    scores = caption_measure(["A red  kite", "an owl"], [["the kite", "a RED kite"], "two owls"])
    assert scores["exact"] == 0.5
    assert caption_words("Don't stop, it's 3 o’clock!") == ["don't", "stop", "it's", "3", "o’clock"]
    with pytest.raises(ValueError, match="without any reference"):
        caption_measure(["a"], [[]])


def test_uneven_numbers_of_captions_score_like_repeated_ones() -> None:
    hypotheses = [hypothesis for hypothesis, _ in CAPTIONS]
    repeated = [(several * 3)[:3] for _, several in CAPTIONS]
    bleu = sacrebleu.corpus_bleu(hypotheses, [list(stream) for stream in zip(*repeated, strict=True)], lowercase=True)
    assert caption_measure(hypotheses, [several for _, several in CAPTIONS])["bleu"] == pytest.approx(bleu.score)


def test_translations_score_as_sacrebleu_does_and_say_how() -> None:
    hypotheses = ["der Hund läuft über den Sand", "ein Boot", ""]
    references = ["der Hund läuft am Strand über den Sand", "ein kleines Boot", "nichts"]
    scores = translation_measure(hypotheses, references)
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references]).score)
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [references]).score)
    assert 0 < scores["bleu"] < scores["chrf"] < 100


def test_signatures_name_tokeniser_case_and_version() -> None:
    signature = SIGNATURES["translation"]()
    assert set(signature) == {"bleu", "chrf"}
    assert "nrefs:1|case:mixed" in signature["bleu"]
    assert "tok:13a" in signature["bleu"]
    assert f"version:{sacrebleu.__version__}" in signature["chrf"]
    assert "case:lc" in SIGNATURES["caption"]()["bleu"]
