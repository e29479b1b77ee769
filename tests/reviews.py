"""Ten rows of every kind of cell, and tasks declared on them: shared by the tests of declared tasks."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from toy import png, sentence, tone, tree, wav

from multimodel.tasks.columns import Audio, Category, Image, Text, Tree, Waveform
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.declared import declared_tasks
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Task
from multimodel.tasks.vocabulary import Vocabulary

SETTINGS = DataSettings(vocabulary=300, max_symbols=60, max_tree_symbols=40, caption_side=8, frequency_bins=4)
SOUND, PICTURE = wav(tone(400)), png(np.zeros((6, 6, 3), dtype=np.uint8))
TEXTS = [sentence(*words) for words in zip("abcdefghij", "klmnopqrst", "uvwxyzabcd", strict=True)]
CELLS = {
    "text": TEXTS,
    "tree": [tree(text) for text in TEXTS],
    "label": ["red", "blue"] * 5,
    "image": [PICTURE] * 10,
    "sound": [SOUND] * 10,
}
LONG = " ".join(map(str, range(300)))
ROWS = [dict(zip(CELLS, row, strict=True)) for row in zip(*CELLS.values(), strict=True)]
REVIEWS = Declaration(name="reviews", data={"train": ROWS}, input=Text("text"), output=Category("label"))


def made(*declared: Declaration, vocabulary: Vocabulary | None = None) -> tuple[Task, ...]:
    return declared_tasks(declared, SETTINGS, vocabulary)[1]


def csv(path: Path, rows: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text,label\n" + "\n".join(map(str, rows)) + "\n")
    return path


INPUTS = {
    "text": Text("text"),
    "image": Image("image", grey=True),
    "audio": Audio("sound"),
    "waveform": Waveform("sound"),
    "category": Category("label"),
    "tree": Tree("tree"),
}
