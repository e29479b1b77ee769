"""ImageNet of 2012: one folder a class, and a validation set whose labels may stand in a list (paper, section 3)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from multimodel.errors import InputError
from multimodel.sources.rows import Rows, Table, content_fingerprint, file_fingerprint
from multimodel.sources.tables import read_lines

PLACES = ("", "ILSVRC/Data/CLS-LOC")  # as unpacked by hand, and as Kaggle packs it
LABELS = ("val_annotations.txt", "LOC_val_solution.csv")
NAMES = "LOC_synset_mapping.txt"
IMAGES = "images"  # Tiny ImageNet has one more folder around its pictures
UNKNOWN = "The list of the labels gives this picture no class."
ENDINGS = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class _Found:
    """Pictures, their classes ("" where none is known), and the files and folders that say so."""

    files: list[str]
    classes: list[str]
    sources: list[Path]


def read_imagenet(folder: Path) -> Mapping[str, Rows]:
    """Columns `file`, `class` (the WordNet id) and, where `LOC_synset_mapping.txt` is there, `name`.

    `train` holds one folder a class. `val` does, too, or it is flat and `val_annotations.txt` or
    `LOC_val_solution.csv` gives the classes. `val` is the split "test": the labels of ImageNet's own test set are not
    public, so that all published errors are those on `val`. `name` is the first name of the class; two pairs of
    classes share theirs (crane, maillot).
    Raises `InputError` for any other layout.
    """
    bases = [folder / place for place in PLACES]
    base = next((path for path in bases if (path / "train").is_dir() or (path / "val").is_dir()), None)
    if base is None:
        raise InputError(
            f"{folder} is no ImageNet: it must hold train/n01440764/*.JPEG and val/, or Kaggle's {PLACES[1]}."
        )
    names = _listed((NAMES,), (folder, base))
    splits = {}
    if (base / "train").is_dir():
        splits["train"] = _table(folder, _by_class(folder, base / "train"), names)
    if (base / "val").is_dir():
        splits["test"] = _table(folder, _validation(folder, base), names)
    return splits


def _validation(folder: Path, base: Path) -> _Found:
    if _class_folders(base / "val"):
        return _by_class(folder, base / "val")
    labels = _listed(LABELS, (folder, base, base / "val"))
    if labels is None:
        raise InputError(f"{base / 'val'} has no class folders, and none of {' and '.join(LABELS)} is in {folder}.")
    return _by_list(folder, base / "val", labels)


def _by_class(folder: Path, split: Path) -> _Found:
    """The class is the name of the folder."""
    found = _Found([], [], [])
    for place in _class_folders(split):
        inside = _inside(place)
        files = [f"{inside.relative_to(folder).as_posix()}/{name}" for name in _pictures(inside)]
        found.files.extend(files)
        found.classes.extend([place.name] * len(files))
        found.sources.append(inside)
    if not found.files:
        raise InputError(f"{split} holds no pictures: it must have one folder a class, as in n01440764/*.JPEG.")
    return found


def _by_list(folder: Path, split: Path, labels: Path) -> _Found:
    """Every picture that is here or in the list: one that is missing is found out when it is read."""
    inside = _inside(split)
    classes = {Path(name).stem: rest.split(" ")[0] for name, rest in _entries(labels) if name != "ImageId"}
    here = {Path(name).stem: name for name in _pictures(inside)}
    stems = sorted({*here, *classes})
    prefix = inside.relative_to(folder).as_posix()
    files = [f"{prefix}/{here.get(stem, stem + '.JPEG')}" for stem in stems]
    return _Found(files, [classes.get(stem, "") for stem in stems], [inside, labels])


def _table(folder: Path, found: _Found, names: Path | None) -> Table:
    cells: dict[str, Sequence[str]] = {"file": found.files, "class": found.classes}
    if names is not None:
        first = {wordnet: rest.split(",")[0] for wordnet, rest in _entries(names)}
        cells["name"] = [first.get(wordnet, wordnet) for wordnet in found.classes]
    sources = [*found.sources, *([names] if names else [])]
    return Table(
        cells,
        content_fingerprint(["\n".join(found.files), *map(file_fingerprint, sources)]),
        places=found.files,  # the same strings: a million more would cost as much memory again
        folder=folder,
        damaged={row: UNKNOWN for row, wordnet in enumerate(found.classes) if not wordnet},
    )


def _entries(path: Path) -> list[tuple[str, str]]:
    """The first word of each line and the rest; words end at a comma, a tab or a space."""
    lines = [line.strip() for line in read_lines(path, "line").cells["line"]]
    parts = [re.split(r"[,\s]+", line, maxsplit=1) for line in lines if line]
    return [(first, rest[0].replace("\t", " ") if rest else "") for first, *rest in parts]


def _listed(names: Sequence[str], folders: Sequence[Path]) -> Path | None:
    """The first of these files in the first folder that has one."""
    return next((place / name for place in folders for name in names if (place / name).is_file()), None)


def _class_folders(split: Path) -> list[Path]:
    found = [path for path in sorted(split.iterdir()) if path.is_dir()]
    return [path for path in found if path.name != IMAGES and not path.name.startswith(".")]


def _inside(folder: Path) -> Path:
    return folder / IMAGES if (folder / IMAGES).is_dir() else folder


def _pictures(folder: Path) -> list[str]:
    """Names alone: a path object for each of a million pictures would take ten times as long."""
    return sorted(name for name in os.listdir(folder) if name.lower().endswith(ENDINGS) and name[0] != ".")
