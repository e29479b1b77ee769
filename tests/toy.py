"""All eight tasks on tiny self-made examples, small enough to be learned by heart: shared by all tests."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import soundfile
from PIL import Image as Pillow

from multimodel.tasks.audio import Spectrogram
from multimodel.tasks.category import Category
from multimodel.tasks.image import Image
from multimodel.tasks.task import Example, Task
from multimodel.tasks.text import Text
from multimodel.tasks.tree import Tree
from multimodel.tasks.vocabulary import Vocabulary, train_vocabulary
from multimodel.trees import read_tree, symbols

SIZES = {"train": 24, "dev": 8, "test": 8}
VOCABULARY = 400
RATE = 8000

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220), "yellow": (230, 210, 40)}
TONES = {"one": 400, "two": 700, "three": 1000, "four": 1400, "five": 1900, "six": 2600}
NOUNS = {"fox": ("Fuchs", "renard"), "dog": ("Hund", "chien"), "bird": ("Vogel", "merle"), "bear": ("Bär", "grizzli")}
VERBS = {"sees": ("sieht", "voit"), "hears": ("hört", "entend"), "likes": ("mag", "aime")}


def toy_tasks() -> tuple[Vocabulary, tuple[Task, ...]]:
    """The vocabulary and the tasks, named as in `mini8`: 24 + 8 + 8 examples each, always the same."""
    sentences = [sentence(*parts) for parts in product(NOUNS, VERBS, NOUNS)] + [f"a {noun} sleeps" for noun in NOUNS]
    languages = {language: [translated(text, language) for text in sentences] for language in ("de", "fr")}
    trees = [tree(text) for text in sentences]
    captions = [f"a {left} square to the left of a {right} one" for left, right in product(COLOURS, COLOURS)]
    texts = [*sentences, *languages["de"], *languages["fr"], *captions, " ".join(TONES)]
    labels = {symbol for text in trees for symbol in symbols(read_tree(text))}
    vocabulary = train_vocabulary(texts, labels, VOCABULARY)
    text, brackets = Text(vocabulary=vocabulary, max_length=40), Tree(vocabulary=vocabulary, max_length=40)

    def task(name: str, given: Any, wanted: Any, command: str, measure: str, pairs: Sequence[tuple[Any, Any]]) -> Task:
        splits = split(pairs)
        return Task(name=name, input=given, output=wanted, command=command, measure=measure, examples=splits)

    def translation(name: str, command: str, given: Sequence[str], wanted: Sequence[str]) -> Task:
        return task(name, text, text, command, "translation", list(zip(given, wanted, strict=True)))

    sound = Spectrogram(sample_rate=RATE, bins=8, max_seconds=2.0)
    small, large = Image(height=16, width=16), Image(height=32, width=32)
    category = Category(names=tuple(COLOURS), net="fashion")
    return vocabulary, (
        task("speech", sound, text, "to-transcript", "transcript", spoken()),
        task("imageclass", small, category, "to-class", "class", coloured()),
        task("caption", large, text, "to-caption", "caption", captioned()),
        task("parse", text, brackets, "to-parse-tree", "tree", pairs(sentences, trees)),
        translation("en-de", "to-german", sentences, languages["de"]),
        translation("de-en", "to-english", languages["de"], sentences),
        translation("en-fr", "to-french", sentences, languages["fr"]),
        translation("fr-en", "to-english", languages["fr"], sentences),
    )


def split(pairs: Sequence[tuple[Any, Any]]) -> Mapping[str, list[Example]]:
    """The same positions in the same split for every task, spread over all of `pairs`."""
    order = random.Random(7).sample(range(len(pairs)), sum(SIZES.values()))
    examples = iter([Example(f"toy-{position}", *pairs[position]) for position in order])
    return {name: [next(examples) for _ in range(size)] for name, size in SIZES.items()}


def pairs(given: Sequence[Any], wanted: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(given, wanted, strict=True))


def sentence(subject: str, verb: str, thing: str) -> str:
    return f"the {subject} {verb} the {thing}"


def translated(text: str, language: str) -> str:
    """Word by word; `the` and `a` are masculine in German, as the object in the accusative."""
    column = 0 if language == "de" else 1
    articles = {"the": (("der", "le"), ("den", "le")), "a": (("ein", "un"), ("einen", "un"))}
    translations = {**NOUNS, **VERBS, "sleeps": ("schläft", "dort")}
    return " ".join(
        articles[word][position > 0][column] if word in articles else translations[word][column]
        for position, word in enumerate(text.split())
    )


def tree(text: str) -> str:
    article, noun, verb, *rest = text.split()
    thing = f" (NP (DT {rest[0]}) (NN {rest[1]}))" if rest else ""
    return f"(S (NP (DT {article}) (NN {noun})) (VP (VBZ {verb}){thing}))"


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """A WAV file of 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def tone(hertz: float, seconds: float = 0.12, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * hertz * time) * np.hanning(len(time))


def spoken() -> list[tuple[bytes, str]]:
    """Words as tones, two or three in a row."""
    sequences = [*product(TONES, TONES), *list(product(TONES, repeat=3))[::20]]
    return [(wav(np.concatenate([tone(TONES[word]) for word in words])), " ".join(words)) for words in sequences]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def square(pixels: np.ndarray, colour: str, top: int, left: int, side: int) -> None:
    pixels[top : top + side, left : left + side] = COLOURS[colour]


def coloured() -> list[tuple[bytes, str]]:
    """One square in one of four colours at one of ten places."""
    found = []
    for place, colour in product(range(10), COLOURS):
        pixels = np.full((16, 16, 3), 255, dtype=np.uint8)
        square(pixels, colour, place % 4 * 2, place, 6)
        found.append((png(pixels), colour))
    return found


def captioned() -> list[tuple[bytes, str]]:
    """Two squares side by side, at three heights."""
    found = []
    for top, left, right in product((2, 8, 16), COLOURS, COLOURS):
        pixels = np.full((32, 32, 3), 255, dtype=np.uint8)
        square(pixels, left, top, 2, 12)
        square(pixels, right, top, 18, 12)
        found.append((png(pixels), f"a {left} square to the left of a {right} one"))
    return found
