"""Captions of MS COCO, as unpacked from its own archives of 2014 or 2017 (paper, section 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multimodel.errors import InputError
from multimodel.sources.files import check_regular
from multimodel.sources.rows import Rows, Table, file_fingerprint

YEARS = ("2014", "2017")
SPLITS = {"train": "train", "val": "test"}
LAYOUT = "annotations/captions_train2017.json and the pictures in train2017/ or images/train2017/"


def read_coco(folder: Path) -> Mapping[str, Rows]:
    """One row per caption, about five for each picture: columns `file`, `caption`, `image_id`, `caption_id`.

    `val` is the split "test": the captions of COCO's own test set are not public. Line breaks and double spaces in
    captions become one space. Whether a picture is there is found out when it is read. Raises `InputError` for other
    layouts, and where both years are there: the training set of one holds pictures of the other's validation set.
    """
    years = {year: found for year in YEARS if (found := _year(folder, year))}
    if not years:
        raise InputError(f"{folder} is no COCO: it must hold {LAYOUT}; 2014 in place of 2017 is fine, too.")
    if len(years) > 1:
        raise InputError(
            f"{folder} holds the captions and pictures of {' and '.join(years)}, which share pictures: keep one year."
        )
    year, found = next(iter(years.items()))
    return {SPLITS[part]: _captions(folder, _file(folder, part, year), pictures) for part, pictures in found.items()}


def _file(folder: Path, part: str, year: str) -> Path:
    return folder / "annotations" / f"captions_{part}{year}.json"


def _year(folder: Path, year: str) -> dict[str, str]:
    """The folders of pictures by part; a part without captions or without pictures is not there."""
    found = {}
    for part in SPLITS:
        places = [place for place in (f"{part}{year}", f"images/{part}{year}") if (folder / place).is_dir()]
        if places and _file(folder, part, year).is_file():
            found[part] = places[0]
    return found


def _captions(folder: Path, path: Path, pictures: str) -> Table:
    content = _read(path)
    names = {image["id"]: image["file_name"] for image in content["images"] if _has(image, "id", "file_name")}
    cells: dict[str, list[Any]] = {"file": [], "caption": [], "image_id": [], "caption_id": []}
    damaged = {}
    for row, given in enumerate(content["annotations"]):
        annotation = given if isinstance(given, dict) else {}
        image, caption = annotation.get("image_id"), annotation.get("caption")
        name = names.get(image) if isinstance(image, int | str) else None
        if not isinstance(caption, str) or not caption.strip():
            damaged[row] = "This annotation has no caption."
        elif name is None:
            damaged[row] = f'There is no image {image!r} in the list "images" of this file.'
        cells["file"].append(f"{pictures}/{name}")
        cells["caption"].append(" ".join(str(caption).split()))
        cells["image_id"].append(image)
        cells["caption_id"].append(annotation.get("id"))
    places = [f"{path}, caption {number}" for number in cells["caption_id"]]
    return Table(cells, file_fingerprint(path), places=places, folder=folder, damaged=damaged)


def _read(path: Path) -> dict[str, Any]:
    check_regular(path)
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or no JSON file ({error}).") from error
    lists = isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))
    if not lists:
        raise InputError(f'{path} is no file of COCO captions: it must hold the lists "images" and "annotations".')
    return content


def _has(image: Any, *keys: str) -> bool:
    return isinstance(image, dict) and all(isinstance(image.get(key), int | str) for key in keys)
