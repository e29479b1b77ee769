"""LibriSpeech, read English of which the transcripts are free: the stand-in for the paper's WSJ speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from multimodel.errors import InputError
from multimodel.sources.rows import Rows, Table, content_fingerprint, file_fingerprint
from multimodel.sources.tables import read_lines

INSIDE = "LibriSpeech"  # what its archives unpack to
SPLITS = ("train", "dev", "test")
TRANSCRIPTS = "*/*/*.trans.txt"  # speaker, chapter


def read_librispeech(folder: Path) -> Mapping[str, Rows] | Rows:
    """Columns `file`, `text` (in capitals), `speaker` and `utterance`.

    All of `train-*` is "train", and so on; one such folder alone is not divided. Whether a recording is there is found
    out when it is read. Raises `InputError` for other layouts.
    """
    root = folder / INSIDE if (folder / INSIDE).is_dir() else folder
    splits = {split: sorted(root.glob(f"{split}-*/{TRANSCRIPTS}")) for split in SPLITS}
    if any(splits.values()):
        return {split: _table(root, paths) for split, paths in splits.items() if paths}
    alone = sorted(root.glob(TRANSCRIPTS))
    if not alone:
        raise InputError(f"{folder} is no LibriSpeech: it must hold train-clean-100/84/121123/84-121123.trans.txt …")
    return _table(root, alone)


def _table(root: Path, paths: Sequence[Path]) -> Table:
    cells: dict[str, list[str]] = {"file": [], "text": [], "speaker": [], "utterance": []}
    places: list[str] = []
    damaged: dict[int, str] = {}
    for path in paths:
        lines = read_lines(path, "line")
        beside = path.parent.relative_to(root).as_posix()
        for number, line in enumerate(lines.cells["line"]):
            utterance, _, text = line.strip().partition(" ")
            if not utterance:
                continue
            if number in lines.damaged or not text:
                damaged[len(places)] = lines.damaged.get(number, "This line has no words after its utterance.")
            cells["file"].append(f"{beside}/{utterance}.flac")
            cells["text"].append(text)
            cells["speaker"].append(path.parent.parent.name)
            cells["utterance"].append(utterance)
            places.append(lines.where(number))
    fingerprint = content_fingerprint([file_fingerprint(path) for path in paths])
    return Table(cells, fingerprint, places=places, folder=root, damaged=damaged)
