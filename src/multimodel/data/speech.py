"""Speech part: short utterances with their transcripts, from games and telephone prompts, the sound bytes untouched."""

from __future__ import annotations

import gzip
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa
import soundfile

from multimodel.data import amazon_queen
from multimodel.data.archive import members, single
from multimodel.data.rows import Row, Utterance
from multimodel.sources.splits import key, split_of

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("seconds", pa.float32()),
        ("audio", pa.binary()),
        ("source", pa.string()),
        ("split", pa.string()),
    ]
)
WORDS = range(2, 17)
LONGEST_SECONDS = 6.0
LETTERS_PER_SECOND = (3.0, 25.0)
TAKES_PER_TEXT = 2
CRUDE = frozenset(
    [
        "arse",
        "ass",
        "bastard",
        "bastards",
        "bitch",
        "bloody",
        "crap",
        "damn",
        "damned",
        "goddamn",
        "hell",
        "piss",
        "shit",
        "slut",
        "whore",
    ]
)
STAGE_MARKS = re.compile(r"\([^)]*\)|\[[^]]*\]")
PRINTABLE = re.compile(r"[a-z' .,;:!?\"-]*")


def rows(packages: Mapping[str, Sequence[Path]]) -> list[Row]:
    """All plausible utterances of the sources, at most two takes of one text."""
    takes: Counter[str] = Counter()
    kept = []
    for source, files in packages.items():
        for utterance in READERS[source](files):
            row = _row(source, utterance)
            if row is not None and takes[key(row["text"])] < TAKES_PER_TEXT:
                takes[key(row["text"])] += 1
                kept.append(row)
    return kept


def transcript(text: str) -> str | None:
    """Lower-case letters, apostrophes and single spaces; None for a text that cannot be read aloud so."""
    plain = unicodedata.normalize("NFKD", STAGE_MARKS.sub(" ", text)).replace("’", "'").replace("…", "...").lower()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    if not PRINTABLE.fullmatch(plain):
        return None
    words = [word.strip("'") for word in re.sub(r"[^a-z']", " ", plain).split()]
    words = [word for word in words if word]
    return " ".join(words) if len(words) in WORDS and not CRUDE & set(words) else None


def _row(source: str, utterance: Utterance) -> Row | None:
    text = transcript(utterance.text)
    if text is None:
        return None
    seconds = soundfile.info(io.BytesIO(utterance.audio)).duration
    slowest, fastest = LETTERS_PER_SECOND
    if not 0 < seconds <= LONGEST_SECONDS or not slowest < len(text) / seconds < fastest:
        return None
    return {
        "id": f"{source}-{utterance.id}",
        "text": text,
        "seconds": seconds,
        "audio": utterance.audio,
        "source": source,
        "split": split_of(text),
    }


def _amazon_queen(files: Sequence[Path]) -> Iterator[Utterance]:
    return amazon_queen.utterances(single(files[0], "*/queen.1c"))


def _asterisk(files: Sequence[Path]) -> Iterator[Utterance]:
    """The prompts of a telephone exchange: one package has the sounds, one a list of `name: transcript`."""
    sounds, texts = files
    listing = gzip.decompress(single(texts, "*/core-sounds-en.txt.gz")).decode("utf-8", "replace")
    printed = dict(re.findall(r"^([\w/-]+):\s*(.+)$", listing, re.MULTILINE))
    for path, audio in members(sounds, ["*.wav"]):
        name = PurePosixPath(path.split("/sounds/")[1]).with_suffix("")
        text = printed.get("/".join(name.parts[1:]))
        if text:
            yield Utterance(id=name.name, text=text, audio=audio)


READERS: dict[str, Callable[[Sequence[Path]], Iterator[Utterance]]] = {
    "amazon-queen": _amazon_queen,
    "asterisk": _asterisk,
}
