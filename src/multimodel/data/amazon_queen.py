"""Speech and transcripts from `queen.1c`, the one file of the game Flight of the Amazon Queen (1995, talkie version).

The file starts with a table of named resources. Dialogues (`.DOG`) and cutscenes (`.CUT`) hold the texts; each spoken
segment is an MP3 file (`.SB`) whose name follows from the place of its text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from multimodel.data.rows import Utterance

TABLE_START = 13
ENTRY_BYTES = 21
HEADER_BYTES = 20
JOE_LINES = 40
BLANK_LINES = 12
SILENT_COMMANDS = ("GD", "GM")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The named contents of the file."""

    content: bytes
    places: dict[str, tuple[int, int]]

    @classmethod
    def read(cls, content: bytes) -> Resources:
        """Read the table: name, a flag, offset and size of each resource."""
        (count,) = struct.unpack_from(">H", content, TABLE_START)
        places = {}
        for number in range(count):
            name, _, offset, size = struct.unpack_from(">12sBII", content, TABLE_START + 2 + number * ENTRY_BYTES)
            places[name.split(b"\0")[0].decode("latin-1").upper()] = (offset, size)
        return cls(content=content, places=places)

    def __getitem__(self, name: str) -> bytes:
        offset, size = self.places[name]
        return self.content[offset : offset + size]

    def ending(self, suffix: str) -> list[str]:
        """Names with this ending."""
        return [name for name in self.places if name.endswith(suffix)]


@dataclass(kw_only=True)
class Cursor:
    """Reads numbers and strings one after the other, all of them big-endian."""

    data: bytes
    position: int = 0

    def number(self) -> int:
        """The next signed 16-bit number."""
        (value,) = struct.unpack_from(">h", self.data, self.position)
        self.position += 2
        return value

    def string(self, align: int) -> str:
        """The next string, led by its length; a string that is not empty ends at a multiple of `align` bytes."""
        length = self.data[self.position]
        start = self.position + 1
        end = start + length
        self.position = -(-end // align) * align if length else start
        return self.data[start:end].decode("cp437")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A text and the beginning of the names of its sound files."""

    sound: str
    text: str


def utterances(content: bytes) -> Iterator[Utterance]:
    """Each spoken segment of the game with its MP3 bytes."""
    resources = Resources.read(content)
    seen = set()
    for line in _lines(resources):
        for number, text in _segments(line.text):
            name = f"{line.sound.replace(' ', '0')}{number + 1:x}.SB".upper()
            if text.strip() and name in resources.places and name not in seen:
                seen.add(name)
                yield Utterance(id=name.removesuffix(".SB"), text=text.strip(), audio=resources[name])


def _lines(resources: Resources) -> Iterator[Line]:
    for name in resources.ending(".DOG"):
        yield from _dialogue(resources[name][HEADER_BYTES:])
    for name in resources.ending(".CUT"):
        yield from _cutscene(name.removesuffix(".CUT"), resources[name][HEADER_BYTES:])
    yield from _descriptions(resources)


def _segments(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each segment; `*` and two letters are a stage command, `*XY` has two more numbers."""
    number = start = position = 0
    while position < len(text):
        if text[position] != "*":
            position += 1
            continue
        command = text[position + 1 : position + 3]
        if command not in SILENT_COMMANDS:
            yield number, text[start:position]
        position += 14 if command == "XY" else 3
        number, start = number + 1, position
    if start != position:
        yield number, text[start:]


def _dialogue(data: bytes) -> Iterator[Line]:
    """Answers of the other person (P) and of the hero Joe (J), then the greetings that follow them."""
    level, _, key, joe_count, person_count = struct.unpack_from(">5h", data)
    persons, _, greetings = struct.unpack_from(">3H", data, 22)
    joe, sound = 32 + abs(level) * 96, f"{key:2d}"
    for start, count, speaker in ((persons, person_count, "P"), (joe, joe_count, "J")):
        cursor = Cursor(data=data, position=start)
        for _ in range(count):
            cursor.number()
            if cursor.position + 3 > len(data):
                break
            identity = cursor.number() & 0xFFFF
            yield Line(sound=f"{sound}{identity:4x}{speaker}", text=cursor.string(4))
    cursor = Cursor(data=data, position=joe + 2)
    if cursor.number() == 0:
        yield Line(sound=f"{sound}SSSSJ", text=cursor.string(2))
    cursor = Cursor(data=data, position=greetings)
    yield Line(sound=f"{sound}XXXXP", text=cursor.string(2))
    yield Line(sound=f"{sound}XXXXJ", text=cursor.string(2))


def _cutscene(name: str, data: bytes) -> Iterator[Line]:
    (count,), (start,) = struct.unpack_from(">h", data, 2), struct.unpack_from(">H", data, 8)
    cursor = Cursor(data=data, position=start)
    cursor.string(2)
    for number in range(abs(count)):
        if cursor.position >= len(data):
            return
        yield Line(sound=f"{name[:5]:_<5}{number + 1:02d}", text=cursor.string(2))


def _descriptions(resources: Resources) -> Iterator[Line]:
    """What Joe says about things and on his own: lines of one text file, found by counts in another."""
    rooms, names, _, descriptions = struct.unpack_from(">4h", resources["QUEEN.JAS"], HEADER_BYTES)
    texts = [line.rstrip("\r") for line in resources["QUEEN2.JAS"].decode("cp437").split("\n")]
    own = descriptions + names + rooms + BLANK_LINES
    for number in range(descriptions):
        yield Line(sound=f"JOE{number + 1 + JOE_LINES:04d}", text=texts[number])
    for number in range(JOE_LINES):
        yield Line(sound=f"JOE{number + 1:04d}", text=texts[own + number])
