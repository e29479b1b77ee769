"""ImageNet: classes by folder or list, and pictures that are no photos in RGB."""

import io
from pathlib import Path

import numpy as np
import pytest
from corpora import (
    IMAGE,
    IMAGENET,
    column,
    content,
    jpeg,
    splits,
    write,
)
from PIL import Image as Pillow

from multimodel.errors import InputError


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
