"""Data folders of Kaldi, the form in which the paper's WSJ speech is prepared: `wav.scp`, `text`, `segments`."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from multimodel.errors import InputError
from multimodel.sources.files import bounded_size, stamp
from multimodel.sources.rows import Joined, Rows, Table, content_fingerprint, file_fingerprint
from multimodel.sources.splits import SPLITS
from multimodel.sources.tables import read_lines

MOST_VALUES = 50_000_000  # samples of all channels of one cut: an hour of one channel at 13 kHz
RECORDINGS, TEXT, SPEAKERS, SEGMENTS = "wav.scp", "text", "utt2spk", "segments"
FOLDERS = {**SPLITS, "train_si284": "train", "test_dev93": "dev", "eval": "test", "test_eval92": "test"}


class _Line(NamedTuple):
    """What follows the key of a line, where it stands, and why it cannot be used."""

    rest: str
    place: str
    damage: str | None


class Cut(NamedTuple):
    """A part of a recording, in seconds; one that ends below 0 runs to the recording's end."""

    path: str
    start: float
    end: float


class Cuts(Sequence[Any]):
    """Cuts as WAV bytes of 16 bits, each read when it is asked for."""

    def __init__(self, cuts: Sequence[Cut | None], folder: Path) -> None:
        self.cuts = cuts
        self.folder = folder

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, row: Any) -> Any:
        cut = self.cuts[row]
        return None if cut is None else read_cut(self.folder / cut.path, cut.start, cut.end)


def read_cut(path: Path, start: float, end: float) -> bytes:
    """The sound between two times as WAV bytes; raises `InputError` if there is none, or no recording."""
    try:
        bounded_size(path)
        with soundfile.SoundFile(path) as sound:
            first = round(min(start * sound.samplerate, sound.frames))
            last = round(min(end * sound.samplerate, sound.frames)) if end >= 0 else sound.frames
            if (last - first) * sound.channels > MOST_VALUES:
                raise InputError(
                    f"{path}: more than {MOST_VALUES // 10**6} million samples are cut out in one: cut less."
                )
            sound.seek(first)
            samples = sound.read(last - first, dtype="float32", always_2d=True)
            rate = sound.samplerate
    except InputError:
        raise
    except (soundfile.SoundFileError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a recording: {error}") from error
    if not len(samples):
        raise InputError(f"{path} has no sound between {start:g} s and {end:g} s.")
    if not np.isfinite(samples).all():
        raise InputError(f"{path} holds values that are no numbers (NaN or infinite): write the file anew.")
    file = io.BytesIO()
    levels = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)  # 16 bits come through unchanged
    soundfile.write(file, levels, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def read_kaldi(folder: Path) -> Mapping[str, Rows] | Rows:
    """Columns `file`, `text`, `speaker` and `utterance` of a data folder, or of folders named as in `FOLDERS`.

    Relative paths in `wav.scp` count from the folder that it stands in. A command there is never run: its rows are
    damaged. Where there are `segments`, the cells of `file` hold cuts of the recordings as WAV bytes. Without
    `utt2spk` each utterance is a speaker of its own, as Kaldi does it. Raises `InputError` for other layouts.
    """
    if (folder / RECORDINGS).is_file():
        return _read(folder, "")
    splits: dict[str, list[Rows]] = {}
    for name, split in FOLDERS.items():
        if (folder / name / RECORDINGS).is_file():
            splits.setdefault(split, []).append(_read(folder, name))
    if not splits:
        raise InputError(
            f"{folder} holds no Kaldi data: it must hold {RECORDINGS} and {TEXT}, "
            f"or folders with these that are named {', '.join(FOLDERS)}."
        )
    return {split: Joined(parts) for split, parts in splits.items()}


def _read(folder: Path, name: str) -> Table:
    """The data folder `name` inside `folder`."""
    paths = {file: folder / name / file for file in (RECORDINGS, TEXT, SPEAKERS, SEGMENTS)}
    if not paths[TEXT].is_file():
        raise InputError(f"{paths[TEXT]} does not exist: a Kaldi data folder has it beside {RECORDINGS}.")
    here = {file: _lines(path) for file, path in paths.items() if path.is_file()}
    texts, speakers = here[TEXT], here.get(SPEAKERS, {})
    lines = {**here.get(SEGMENTS, here[RECORDINGS]), **texts}
    cuts, damaged = _cuts(here, Path(name), list(lines))
    cells: dict[str, Sequence[Any]] = {
        "file": Cuts(cuts, folder) if SEGMENTS in here else [cut and cut.path for cut in cuts],
        "text": [texts[utterance].rest if utterance in texts else "" for utterance in lines],
        "speaker": [speakers[utterance].rest if utterance in speakers else utterance for utterance in lines],
        "utterance": list(lines),
    }
    cut_up = sorted({cut.path for cut in cuts if cut}) if SEGMENTS in here else ()  # their sound is in the cells
    stamps = [*(file_fingerprint(paths[file]) for file in here), *(stamp(folder / path) for path in cut_up)]
    fingerprint = content_fingerprint(stamps)
    return Table(cells, fingerprint, places=[line.place for line in lines.values()], folder=folder, damaged=damaged)


def _cuts(
    here: Mapping[str, Mapping[str, _Line]], folder: Path, utterances: Sequence[str]
) -> tuple[list[Cut | None], dict[int, str]]:
    """What is heard of each utterance, and why nothing is."""
    cuts: list[Cut | None] = []
    damaged = {}
    for row, utterance in enumerate(utterances):
        try:
            _usable(here, TEXT, utterance)
            cuts.append(_cut(here, folder, utterance))
        except InputError as error:
            damaged[row] = str(error)
            cuts.append(None)
    return cuts, damaged


def _cut(here: Mapping[str, Mapping[str, _Line]], folder: Path, utterance: str) -> Cut:
    """The whole recording where there are no segments; raises `InputError` if neither is usable."""
    if SEGMENTS not in here:
        return Cut(_recording(here, folder, utterance), 0, -1)
    try:
        recording, *times = _usable(here, SEGMENTS, utterance).split()
        start, end = map(float, times)
        if not (isfinite(start) and isfinite(end) and start >= 0 and (end < 0 or end > start)):
            raise ValueError("no times")
    except ValueError as error:
        raise InputError(f"The line of {SEGMENTS} must be: utterance, recording, start and end in seconds.") from error
    return Cut(_recording(here, folder, recording), start, end)


def _lines(path: Path) -> dict[str, _Line]:
    """The lines by their first word."""
    table = read_lines(path, "line")
    found = {}
    for number, line in enumerate(table.cells["line"]):
        if line.strip():
            key, *rest = line.split(maxsplit=1)
            found[key] = _Line(rest[0].strip() if rest else "", table.where(number), table.damaged.get(number))
    return found


def _usable(here: Mapping[str, Mapping[str, _Line]], file: str, key: str) -> str:
    """What follows the key; raises `InputError` if the line is missing, damaged or empty."""
    line = here[file].get(key)
    if line is None:
        raise InputError(f"The file {file} has no line for {key!r}.")
    if line.damage or not line.rest:
        raise InputError(line.damage or f"In the file {file} nothing follows {key!r}.")
    return line.rest


def _recording(here: Mapping[str, Mapping[str, _Line]], folder: Path, name: str) -> str:
    path = _usable(here, RECORDINGS, name)
    if path.startswith("|") or path.endswith("|"):
        raise InputError(
            f"{RECORDINGS} gives a command for {name!r}, and commands are not run: "
            "convert the recordings to WAV or FLAC first, and write the paths of these."
        )
    if re.search(r":\d+(\[.*\])?$", path):
        raise InputError(f"{RECORDINGS} gives a place in an archive for {name!r}: write the path of a sound file.")
    return (folder / path).as_posix()
