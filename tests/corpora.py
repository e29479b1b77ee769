"""Small files in the layouts of the paper's corpora."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image as Pillow
from toy import tone

from multimodel.sources.corpora import CORPORA
from multimodel.sources.rows import Rows
from multimodel.tasks.audio import Spectrogram
from multimodel.tasks.image import Image

IMAGE = Image(height=8, width=12)


SPEECH = Spectrogram()


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def splits(layout: str, folder: Path) -> Mapping[str, Rows]:
    found = CORPORA[layout](folder)
    assert isinstance(found, Mapping)
    assert set(found) <= {"train", "dev", "test"}
    return found


def whole(layout: str, folder: Path) -> Rows:
    found = CORPORA[layout](folder)
    assert not isinstance(found, Mapping)
    return found


def column(rows: Rows, name: str) -> list[object]:
    return [rows.cell(row, name) for row in range(len(rows))]


def content(rows: Rows, row: int) -> bytes:
    return rows.file(row, rows.cell(row, "file")).read_bytes()


def jpeg(mode: str = "RGB", size: tuple[int, int] = (12, 8), **options: object) -> bytes:
    file = io.BytesIO()
    Pillow.new(mode, size).save(file, format="JPEG", **options)
    return file.getvalue()


def sound(samples: np.ndarray, rate: int = 8000, format: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()


IMAGENET = {
    "train/n01440764/n01440764_18.JPEG": jpeg(),
    "train/n02012849/n02012849_7.JPEG": jpeg("L"),
    "val/n02012849/ILSVRC2012_val_00000001.JPEG": jpeg(),
}


CAPTIONS = {
    "images": [{"id": 9, "file_name": "000000000009.jpg"}, {"id": 25, "file_name": "000000000025.jpg"}],
    "annotations": [
        {"image_id": 25, "id": 770, "caption": "A tall animal eats\nfrom a  tree. "},
        {"image_id": 9, "id": 771, "caption": "Boxes of food."},
        {"image_id": 25, "id": 772, "caption": "Two giraffes."},
    ],
}


COCO = {
    "annotations/captions_train2017.json": json.dumps(CAPTIONS),
    "annotations/captions_val2017.json": json.dumps(CAPTIONS),
    "train2017/000000000025.jpg": jpeg(),
    "val2017/000000000009.jpg": jpeg(),
}


MILL = """
( (S
    (NP-SBJ-1 (NNP Ms.) (NNP Vale) )
    (VP (VBD said)
      (SBAR (-NONE- 0)
        (S
          (NP-SBJ (-NONE- *-1) )
          (VP (TO to)
            (VP (VB sell)
              (NP (DT the) (NN mill) ))))))
    (. .) ))
"""


TREEBANK = {
    "wsj/00/wsj_0001.mrg": "( (NP (NN zero) ))",
    "wsj/02/wsj_0201.mrg": MILL,
    "wsj/21/wsj_2100.mrg": MILL + "( (FRAG (RB Hardly) (. .) ))\n",
    "wsj/22/wsj_2200.mrg": MILL,
    "wsj/23/wsj_2300.mrg": MILL,
    "wsj/24/wsj_2400.mrg": MILL,
}


KALDI = {
    "train_si284/wav.scp": "4k0c0301 4k0c0301.wav\n",
    "train_si284/text": "4k0c0301 THE MILL IS OLD\n",
    "train_si284/utt2spk": "4k0c0301 4k0\n",
    "train_si284/4k0c0301.wav": sound(tone(500)),
    "test_dev93/wav.scp": "4k1 /far/4k1.flac\n",
    "test_dev93/text": "4k1 SO IS THE DAM\n",
    "test_eval92/wav.scp": "440 440.wav\n",
    "test_eval92/text": "440 SELL BOTH\n",
}


LIBRISPEECH = {
    "LibriSpeech/train-clean-100/84/121123/84-121123.trans.txt": "84-121123-0000 GO ON\n84-121123-0001 I AM HERE\n",
    "LibriSpeech/train-clean-100/84/121123/84-121123-0001.flac": sound(tone(500), format="FLAC"),
    "LibriSpeech/train-other-500/20/205/20-205.trans.txt": "20-205-0000 WHO IS IT\n",
    "LibriSpeech/dev-clean/174/50561/174-50561.trans.txt": "174-50561-0000 NO ONE\n",
    "LibriSpeech/test-clean/61/70968/61-70968.trans.txt": "61-70968-0000 HE BEGAN\n",
    "LibriSpeech/SPEAKERS.TXT": "; about the speakers",
}


# the files, a file that says what the rows are, and a text that changes the rows
CASES: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "imagenet": (IMAGENET, "train/n01440764/n01440764_19.JPEG", "another picture"),
    "coco": (COCO, "annotations/captions_train2017.json", json.dumps({"images": [], "annotations": []})),
    "treebank": (TREEBANK, "wsj/02/wsj_0201.mrg", "( (NP (NN one) ))"),
    "kaldi": (KALDI, "train_si284/text", "4k0c0301 THE MILL IS OLD TOO\n"),
    "librispeech": (LIBRISPEECH, "LibriSpeech/train-other-500/20/205/20-205.trans.txt", "20-205-0000 ME\n"),
}
