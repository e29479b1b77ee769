"""The layouts of the standard corpora, written small: what each reader finds, odd files, and what it refuses."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image as Pillow
from toy import tone

from multimodel.errors import InputError
from multimodel.sources.corpora import CORPORA
from multimodel.sources.open import open_data
from multimodel.sources.rows import Rows
from multimodel.tasks.audio import Spectrogram
from multimodel.tasks.image import Image
from multimodel.trees import read_tree, write_tree
from multimodel.trees import words as words_of

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


# one small corpus of each layout: files that the rows come from, and the column that a task learns from

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


def test_every_layout_is_a_case() -> None:
    assert CASES.keys() == CORPORA.keys()


@pytest.mark.parametrize("layout", CASES)
def test_a_corpus_is_opened_by_the_name_of_its_layout(tmp_path: Path, layout: str) -> None:
    write(tmp_path, CASES[layout][0])
    found = open_data(".", tmp_path, layout)
    assert {"train", "test"} <= found.keys()
    for rows in found.values():
        for row in range(len(rows)):
            assert all(rows.cell(row, name) is not None for name in rows.columns)
            assert rows.where(row)


@pytest.mark.parametrize("layout", CASES)
def test_the_fingerprint_changes_with_the_files_that_say_what_the_rows_are(tmp_path: Path, layout: str) -> None:
    files, changed, text = CASES[layout]
    write(tmp_path, files)
    before = splits(layout, tmp_path)
    again = splits(layout, tmp_path)
    assert [rows.fingerprint for rows in before.values()] == [rows.fingerprint for rows in again.values()]
    write(tmp_path, {changed: text})
    assert splits(layout, tmp_path)["train"].fingerprint != before["train"].fingerprint


@pytest.mark.parametrize("layout", CASES)
def test_a_folder_that_holds_something_else_is_refused_by_name(tmp_path: Path, layout: str) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="it must hold") as error:
            CORPORA[layout](folder)
        assert str(folder) in str(error.value)


# ImageNet


def test_the_class_of_a_picture_is_its_folder(tmp_path: Path) -> None:
    write(tmp_path, {**IMAGENET, "train/n01440764/.hidden.JPEG": "", "train/n01440764/about.txt": ""})
    found = splits("imagenet", tmp_path)
    assert found["train"].columns == ("file", "class")
    assert column(found["train"], "file") == ["train/n01440764/n01440764_18.JPEG", "train/n02012849/n02012849_7.JPEG"]
    assert column(found["train"], "class") == ["n01440764", "n02012849"]
    assert column(found["test"], "class") == ["n02012849"]
    assert content(found["train"], 0) == jpeg()


KAGGLE = {
    **{f"ILSVRC/Data/CLS-LOC/{name}": picture for name, picture in IMAGENET.items() if name.startswith("train")},
    "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002.JPEG": jpeg(),
    "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000010.JPEG": jpeg(),
    "ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG": jpeg(),
    "LOC_val_solution.csv": "ImageId,PredictionString\n"
    "ILSVRC2012_val_00000010,n02012849 85 1 499 272 \n"
    "ILSVRC2012_val_00000002,n01440764 1 2 3 4 n01440764 5 6 7 8 \n",
    "LOC_synset_mapping.txt": "n01440764 tench, Tinca tinca\nn02012849 crane\n",
}


def test_the_layout_of_kaggle_gives_names_and_the_classes_of_a_flat_validation_set(tmp_path: Path) -> None:
    write(tmp_path, KAGGLE)
    found = splits("imagenet", tmp_path)
    assert found.keys() == {"train", "test"}
    assert found["test"].columns == ("file", "class", "name")
    assert column(found["train"], "name") == ["tench", "crane"]
    assert column(found["test"], "class") == ["n01440764", "n02012849"]
    assert column(found["test"], "name") == ["tench", "crane"]
    assert content(found["test"], 1) == jpeg()


def test_a_picture_without_a_class_is_damaged_and_a_class_without_a_picture_is_found_out_late(tmp_path: Path) -> None:
    flat = {f"val/ILSVRC2012_val_0000000{number}.JPEG": jpeg() for number in (1, 2)}
    labels = "ILSVRC2012_val_00000001.JPEG\tn01440764\t0\t0\nILSVRC2012_val_00000003.JPEG\tn02012849\n"
    write(tmp_path, {**flat, "val_annotations.txt": labels})
    rows = splits("imagenet", tmp_path)["test"]
    assert rows.cell(0, "class") == "n01440764"
    with pytest.raises(InputError, match="no class"):
        rows.cell(1, "class")
    assert rows.where(1).endswith("val_00000002.JPEG")
    assert rows.cell(2, "file") == "val/ILSVRC2012_val_00000003.JPEG"
    assert not rows.file(2, rows.cell(2, "file")).exists()


def test_tiny_imagenet_is_read_too(tmp_path: Path) -> None:
    train = {"train/n01443537/images/n01443537_0.JPEG": jpeg(), "train/n01443537/n01443537_boxes.txt": "0 0 1 1"}
    write(tmp_path, {**train, "val/images/val_0.JPEG": jpeg(), "val/val_annotations.txt": "val_0.JPEG\tn01443537\t0\n"})
    found = splits("imagenet", tmp_path)
    assert column(found["train"], "class") == column(found["test"], "class") == ["n01443537"]
    assert content(found["test"], 0) == jpeg()


def test_flat_pictures_without_a_list_are_refused_with_its_name(tmp_path: Path) -> None:
    write(tmp_path, {"val/ILSVRC2012_val_00000001.JPEG": jpeg()})
    with pytest.raises(InputError, match=r"LOC_val_solution\.csv"):
        splits("imagenet", tmp_path)


def test_training_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train/n01440764").mkdir(parents=True)
    with pytest.raises(InputError, match="train holds no pictures"):
        splits("imagenet", tmp_path)


def test_grey_and_four_ink_and_turned_pictures_become_upright_colour(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by a quarter
    pictures = {"1": jpeg("L"), "2": jpeg("CMYK"), "3": jpeg(size=(8, 4), exif=exif)}
    write(tmp_path, {f"train/n01440764/{name}.JPEG": picture for name, picture in pictures.items()})
    rows = splits("imagenet", tmp_path)["train"]
    assert [IMAGE.encode(content(rows, row)).shape for row in range(3)] == [(8, 12, 3), (8, 12, 3), (8, 4, 3)]


def test_a_truncated_picture_is_an_input_error_when_it_is_encoded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(noise).save(file, format="JPEG")
    write(tmp_path, {"train/n01440764/cut.JPEG": file.getvalue()[:1500]})
    with pytest.raises(InputError, match="damaged"):
        IMAGE.encode(content(splits("imagenet", tmp_path)["train"], 0))


# COCO


def test_each_caption_of_a_picture_is_a_row(tmp_path: Path) -> None:
    write(tmp_path, COCO)
    rows = splits("coco", tmp_path)["train"]
    assert rows.columns == ("file", "caption", "image_id", "caption_id")
    assert column(rows, "caption") == ["A tall animal eats from a tree.", "Boxes of food.", "Two giraffes."]
    assert column(rows, "file") == [f"train2017/0000000000{name}.jpg" for name in ("25", "09", "25")]
    assert column(rows, "image_id") == [25, 9, 25]
    assert column(rows, "caption_id") == [770, 771, 772]
    assert rows.where(1) == f"{tmp_path}/annotations/captions_train2017.json, caption 771"
    assert content(rows, 2) == jpeg()


def test_the_picture_of_a_caption_may_be_missing_until_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, COCO)
    rows = splits("coco", tmp_path)["train"]
    with pytest.raises(InputError, match=r"000000000009\.jpg does not exist"):
        IMAGE.read(str(rows.file(1, rows.cell(1, "file"))))


def test_the_year_2014_and_pictures_in_a_folder_of_their_own_are_read(tmp_path: Path) -> None:
    path = "images/val2014/COCO_val2014_000000000009.jpg"
    names = {"images": [{"id": 9, "file_name": Path(path).name}], "annotations": CAPTIONS["annotations"][1:2]}
    write(tmp_path, {"annotations/captions_val2014.json": json.dumps(names), path: jpeg()})
    found = splits("coco", tmp_path)
    assert found.keys() == {"test"}
    assert column(found["test"], "file") == [path]


def test_damaged_captions_are_told_one_by_one(tmp_path: Path) -> None:
    given = [
        {"image_id": 9, "id": 1, "caption": "Food."},
        {"image_id": 8, "id": 2, "caption": "Not listed."},
        {"image_id": 9, "id": 3, "caption": " \n"},
        {"image_id": [9], "id": 4, "caption": "A list."},
        {"image_id": 9, "id": 5},
        "a word",
    ]
    listed = json.dumps({"images": [*CAPTIONS["images"], {"id": 8}, "a word"], "annotations": given})
    write(tmp_path, {**COCO, "annotations/captions_train2017.json": listed})
    rows = splits("coco", tmp_path)["train"]
    assert (len(rows), rows.cell(0, "caption")) == (6, "Food.")
    for row, message in enumerate(["no image 8", "no caption", "no image", "no caption", "no caption"], 1):
        with pytest.raises(InputError, match=message):
            rows.cell(row, "caption")


def test_two_years_that_share_pictures_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {**COCO, "annotations/captions_val2014.json": json.dumps(CAPTIONS), "val2014/1.jpg": jpeg()})
    with pytest.raises(InputError, match="2014 and 2017"):
        splits("coco", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', "\xff"])
def test_a_file_that_holds_no_captions_is_refused_by_name(tmp_path: Path, text: str) -> None:
    write(tmp_path, {**COCO, "annotations/captions_val2017.json": text.encode("latin-1")})
    with pytest.raises(InputError, match=r"captions_val2017\.json is"):
        splits("coco", tmp_path)


# Penn Treebank


def test_sections_become_splits(tmp_path: Path) -> None:
    write(tmp_path, TREEBANK)
    found = splits("treebank", tmp_path)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 3, "dev": 1, "test": 1}
    assert found["train"].columns == ("sentence", "tree")
    assert column(found["train"], "sentence")[1:] == ["Ms. Vale said to sell the mill .", "Hardly ."]
    assert found["train"].where(2) == f"{tmp_path}/wsj/21/wsj_2100.mrg, line 12"


@pytest.mark.parametrize("place", ["wsj", "parsed/mrg/wsj", "combined/wsj", "WSJ"])
def test_the_treebank_is_found_in_its_usual_places(tmp_path: Path, place: str) -> None:
    write(tmp_path, {f"{place}/02/WSJ_0201.MRG" if place == "WSJ" else f"{place}/02/wsj_0201.mrg": MILL})
    assert len(splits("treebank", tmp_path)["train"]) == 1
    assert len(splits("treebank", tmp_path / place)["train"]) == 1


def test_files_without_sections_are_not_divided(tmp_path: Path) -> None:
    write(tmp_path, {"combined/wsj_0001.mrg": MILL, "combined/wsj_0002.mrg": MILL + MILL, "combined/README": "(free"})
    assert len(whole("treebank", tmp_path)) == len(whole("treebank", tmp_path / "combined")) == 3


def test_sections_that_belong_to_no_split_alone_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"wsj/24/wsj_2400.mrg": MILL})
    with pytest.raises(InputError, match="none of the sections 02 to 23"):
        splits("treebank", tmp_path)


def trees_of(folder: Path, text: str | bytes) -> Rows:
    write(folder, {"wsj_0001.mrg": text})
    return whole("treebank", folder)


PREPARED = {
    "functional tags, indices, and constituents that traces leave empty": (
        MILL,
        "(S (NP (NNP Ms.) (NNP Vale)) (VP (VBD said) (SBAR (S (VP (TO to) (VP (VB sell) "
        "(NP (DT the) (NN mill))))))) (. .))",
    ),
    "a gap index and a constituent emptied two levels up": (
        "( (S (NP-SBJ=2 (NNS Mills)) (VP (VBP close) (SBAR-ADV (WHADVP-3 (-NONE- 0)) (S (-NONE- *T*-3))))))",
        "(S (NP (NNS Mills)) (VP (VBP close)))",
    ),
    "a phrase around a phrase stays when the trace beside it goes": (
        "( (NP (NP (NN rain)) (SBAR (-NONE- *ICH*-1))))",
        "(NP (NP (NN rain)))",
    ),
    "brackets in words": (
        "( (PRN (-LRB- -LRB-) (NP (NN dam)) (-RRB- -RCB-) (-RRB- -RRB-)))",
        "(PRN (-LRB- -LRB-) (NP (NN dam)) (-RRB- -RCB-) (-RRB- -RRB-))",
    ),
    "tags with signs of their own, and two labels in one": (
        "( (S (NP-SBJ (PRP$ its) (NN`` x)) (ADVP|PRT-CLR (JJ|RB on)) ('' '') (: --) (# #) ($ $)))",
        "(S (NP (PRP$ its) (NN`` x)) (ADVP|PRT (JJ|RB on)) ('' '') (: --) (# #) ($ $))",
    ),
    "escaped signs": ("( (NP (CD 1\\/2) (SYM \\*)))", "(NP (CD 1\\/2) (SYM \\*))"),
    "one word": ("( (INTJ (UH Yes)))", "(INTJ (UH Yes))"),
    "one word without a constituent": ("( (UH Yes))", "(S (UH Yes))"),
    "no outer bracket": ("(S (NP-SBJ (NNP Bo)) (VP (VBZ is)))", "(S (NP (NNP Bo)) (VP (VBZ is)))"),
    "an outer bracket without a space": ("((S (NP-SBJ (NNP Bo)) (VP (VBZ is))))", "(S (NP (NNP Bo)) (VP (VBZ is)))"),
    "two trees in one outer bracket": ("( (NP (NN one)) (NP (NN two)))", "(TOP (NP (NN one)) (NP (NN two)))"),
}


@pytest.mark.parametrize("case", PREPARED)
def test_trees_are_prepared_as_evalb_expects(tmp_path: Path, case: str) -> None:
    given, expected = PREPARED[case]
    rows = trees_of(tmp_path, given)
    assert column(rows, "tree") == [expected]
    assert rows.cell(0, "sentence") == " ".join(words_of(read_tree(expected)))
    assert write_tree(read_tree(expected)) == expected


def test_brackets_are_themselves_in_the_sentence(tmp_path: Path) -> None:
    rows = trees_of(tmp_path, "( (PRN (-LRB- -LRB-) (NP (NN dam)) (-RRB- -RRB-)))")
    assert rows.cell(0, "sentence") == "( dam )"


def test_trees_of_traces_alone_are_left_out(tmp_path: Path) -> None:
    rows = trees_of(tmp_path, MILL + "( (S (NP-SBJ (-NONE- *)) (VP (-NONE- *?*))))\n( (NP (NN rain)))\n")
    assert column(rows, "sentence") == ["Ms. Vale said to sell the mill .", "rain"]
    assert rows.where(1).endswith("line 13")


@pytest.mark.parametrize("broken", ["( (S (NP (NN dog)) (VP (VBZ is))\n", "( (NP (NN dog))))\n", "NN dog) ))\n"])
def test_a_broken_tree_spoils_no_other(tmp_path: Path, broken: str) -> None:
    files = {"wsj_0001.mrg": MILL, "wsj_0002.mrg": broken + MILL + "( (NP (NN rain)))"}
    write(tmp_path, files)
    rows = whole("treebank", tmp_path)
    assert len(rows) == 4
    assert [rows.cell(row, "sentence") for row in (0, 2, 3)] == [*["Ms. Vale said to sell the mill ."] * 2, "rain"]
    with pytest.raises(InputError, match="no bracketed tree"):
        rows.cell(1, "tree")


def test_a_tree_that_is_not_utf_8_is_damaged(tmp_path: Path) -> None:
    rows = trees_of(tmp_path, b"( (NP (NN caf\xe9)))\n( (NP (NN rain)))")
    with pytest.raises(InputError, match="not UTF-8"):
        rows.cell(0, "tree")
    assert rows.cell(1, "tree") == "(NP (NN rain))"


# Kaldi


def test_the_folders_of_the_journal_become_splits(tmp_path: Path) -> None:
    write(tmp_path, KALDI)
    found = splits("kaldi", tmp_path)
    assert found.keys() == {"train", "dev", "test"}
    train = found["train"]
    assert train.columns == ("file", "text", "speaker", "utterance")
    assert [train.cell(0, name) for name in train.columns[1:]] == ["THE MILL IS OLD", "4k0", "4k0c0301"]
    assert content(train, 0) == sound(tone(500))
    assert found["dev"].file(0, found["dev"].cell(0, "file")) == Path("/far/4k1.flac")
    assert found["dev"].cell(0, "speaker") == "4k1"
    assert train.where(0) == f"{tmp_path}/train_si284/text, line 1"


def test_folders_named_by_split_and_one_alone_are_read(tmp_path: Path) -> None:
    write(tmp_path, {name.replace("train_si284", "train"): text for name, text in KALDI.items()})
    assert content(splits("kaldi", tmp_path)["train"], 0) == sound(tone(500))
    rows = whole("kaldi", tmp_path / "train")
    assert column(rows, "file") == ["4k0c0301.wav"]
    assert content(rows, 0) == sound(tone(500))


def test_a_missing_transcript_file_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, {"train/wav.scp": "a a.wav\n"})
    with pytest.raises(InputError, match="train/text does not exist"):
        splits("kaldi", tmp_path)


def test_commands_are_never_run_and_their_rows_are_damaged(tmp_path: Path) -> None:
    lines = [
        f"pipe touch {tmp_path}/run; sph2pipe -f wav 4k0c0301.wv1 |",
        f"sink | touch {tmp_path}/run",
        "archive raw.ark:1234",
        "empty",
        "silent c.wav",
        "spaces a b.wav",
    ]
    texts = "".join(f"{name} WORDS\n" for name in ("pipe", "sink", "archive", "empty", "spaces", "lost")) + "silent\n"
    write(tmp_path, {"wav.scp": "\n".join(lines), "text": texts.encode() + b"bytes \xff\n"})
    rows = whole("kaldi", tmp_path)
    reasons = [
        "convert the recordings",
        "commands are not run",
        "archive",
        "nothing follows",
        "nothing follows 'silent'",
    ]
    for row, message in enumerate(reasons):
        with pytest.raises(InputError, match=message):
            rows.cell(row, "file")
    assert rows.cell(5, "file") == "a b.wav"
    for row, message in ((6, "no line for 'lost'"), (7, "not UTF-8")):
        with pytest.raises(InputError, match=message):
            rows.cell(row, "text")
    assert rows.where(6) == f"{tmp_path}/text, line 6"
    assert len(rows) == 8
    assert not (tmp_path / "run").exists()


def test_a_recording_without_a_transcript_is_damaged(tmp_path: Path) -> None:
    write(tmp_path, {"wav.scp": "a a.wav\nb b.wav\n", "text": "b WORDS\n"})
    rows = whole("kaldi", tmp_path)
    with pytest.raises(InputError, match="no line for 'a'"):
        rows.cell(0, "text")
    assert rows.cell(1, "file") == "b.wav"


def test_segments_are_cut_out_of_their_recording(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, (16_000, 2), dtype=np.int16)
    segments = "a one 0.5 1.25\nb one 1.5 -1\nc one 1 9\nd none 0 1\ne one 1\nf one 1 0.5\ng one 7 8\nh one 0 nan\n"
    texts = "".join(f"{name} WORDS\n" for name in "abcdefgh")
    write(tmp_path, {"wav.scp": "one one.wav\n", "segments": segments, "text": texts, "one.wav": sound(samples)})
    rows = whole("kaldi", tmp_path)
    for row, (start, end) in enumerate([(4000, 10_000), (12_000, 16_000), (8000, 16_000)]):
        cut, rate = soundfile.read(io.BytesIO(rows.cell(row, "file")), dtype="int16")
        np.testing.assert_array_equal(cut, samples[start:end])
        assert rate == 8000
    for row, message in enumerate(["no line for 'none'", "must be", "must be", "no sound between", "must be"], 3):
        with pytest.raises(InputError, match=message):
            rows.cell(row, "file")
    write(tmp_path, {"one.wav": sound(np.full(16_000, np.nan), subtype="FLOAT")})
    with pytest.raises(InputError, match="no numbers"):
        rows.cell(0, "file")
    (tmp_path / "one.wav").unlink()
    with pytest.raises(InputError, match=r"one\.wav cannot be read"):
        rows.cell(0, "file")


# LibriSpeech


def test_the_subsets_of_librispeech_become_splits(tmp_path: Path) -> None:
    write(tmp_path, LIBRISPEECH)
    for folder in (tmp_path, tmp_path / "LibriSpeech"):
        found = splits("librispeech", folder)
        assert found.keys() == {"train", "dev", "test"}
        train = found["train"]
        assert train.columns == ("file", "text", "speaker", "utterance")
        assert column(train, "text") == ["GO ON", "I AM HERE", "WHO IS IT"]
        assert column(train, "speaker") == ["84", "84", "20"]
        assert train.cell(2, "utterance") == "20-205-0000"
        assert train.where(1).endswith("84-121123.trans.txt, line 2")
        assert content(train, 1) == sound(tone(500), format="FLAC")


def test_one_subset_alone_is_not_divided(tmp_path: Path) -> None:
    write(tmp_path, LIBRISPEECH)
    rows = whole("librispeech", tmp_path / "LibriSpeech/train-clean-100")
    assert column(rows, "file") == ["84/121123/84-121123-0000.flac", "84/121123/84-121123-0001.flac"]
    assert content(rows, 1) == sound(tone(500), format="FLAC")


def test_a_transcript_line_that_cannot_be_used_is_damaged(tmp_path: Path) -> None:
    write(tmp_path, {"84/1/84-1.trans.txt": b"84-1-0000\n\n84-1-0001 CAF\xc9\n84-1-0002 TEA\n"})
    rows = whole("librispeech", tmp_path)
    for row, message in ((0, "no words"), (1, "not UTF-8")):
        with pytest.raises(InputError, match=message):
            rows.cell(row, "text")
    assert (len(rows), rows.cell(2, "text")) == (3, "TEA")
    assert rows.where(2).endswith("line 4")


RECORDED = {
    "flac": ("FLAC", "PCM_16", 16_000),
    "wav": ("WAV", "PCM_24", 11_025),
    "mp3": ("MP3", "MPEG_LAYER_III", 44_100),
    "opus": ("OGG", "OPUS", 48_000),
}


@pytest.mark.parametrize("ending", RECORDED)
def test_recordings_of_many_kinds_and_rates_in_stereo_give_the_same_spectrogram(tmp_path: Path, ending: str) -> None:
    kind, subtype, rate = RECORDED[ending]
    stereo = np.repeat(tone(700, 0.5, rate)[:, None], 2, axis=1)
    write(tmp_path, {f"a.{ending}": sound(stereo, rate, kind, subtype)})
    write(tmp_path, {"wav.scp": f"a {tmp_path}/a.{ending}\n", "text": "a WORDS\n"})
    frames = SPEECH.encode(content(whole("kaldi", tmp_path), 0))
    expected = SPEECH.encode(sound(tone(700, 0.5)))
    assert abs(len(frames) - len(expected)) <= 5  # MP3 pads its ends
    assert frames[8:24].sum(axis=0).argmax() == expected.sum(axis=0).argmax()
    assert SPEECH.fits(frames)


def test_an_utterance_of_half_a_minute_does_not_fit(tmp_path: Path) -> None:
    long = sound(tone(500, 30.0, 16_000), 16_000, "FLAC")
    write(tmp_path, {"84/1/84-1.trans.txt": "84-1-0000 ON AND ON\n", "84/1/84-1-0000.flac": long})
    assert not SPEECH.fits(SPEECH.encode(content(whole("librispeech", tmp_path), 0)))
