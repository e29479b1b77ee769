"""Speech as a log-mel spectrogram or as a waveform (paper, section 2.5.4): one channel, one rate, one loudness."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from jaxtyping import Bool, Float
from torch import Tensor

from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.sources.files import read_bytes
from multimodel.sources.wording import LONGEST_WORD, one_line
from multimodel.tasks.mel import log_mel
from multimodel.tasks.padding import pad
from multimodel.tasks.parallel import in_threads

FRAMES_PER_POSITION = 8
SAMPLES_PER_POSITION = 256
LONGEST = 3600.0  # seconds that a task may allow
BEYOND = 30.0  # seconds unpacked above what a task allows: how much too long recordings are; an hour takes 600 MB
MOST_SAMPLES = 2**27  # of one recording before it is brought to one rate: half a gigabyte
BLOCK = 2**20  # samples of all channels unpacked at a time
RATES = (1_000, 1_000_000)  # samples a second: others are those of damaged headers
LOUDEST = 2.0**31  # whole numbers of 32 bits written as fractions; the squares of much louder ones have no end


@dataclass(frozen=True, kw_only=True)
class Spectrogram:
    """Log-mel energies, one frame per `hop` samples, of at most `max_seconds`. Raw: WAV, FLAC, MP3, Ogg … bytes."""

    sample_rate: int = 8000
    bins: int = 16
    hop: int = 128
    window: int = 256
    max_seconds: float = 10.0
    net: str = "speech"

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.bins, self.hop, self.max_seconds) <= 0 or self.window < self.hop:
            raise InputError("A spectrogram needs sizes above 0 and a window not shorter than the hop.")
        _check_longest(self.max_seconds)

    @property
    def spec(self) -> Net:
        """A spectrogram net over these frequency bins."""
        return Net(kind="spectrogram", size=self.bins)

    @property
    def version(self) -> str:
        """Nothing."""
        return ""

    def encode(self, raw: bytes) -> np.ndarray:
        """Energies (t, bins) float16 in 0…1; raises `InputError` if the bytes are no sound."""
        samples = load_samples(raw, self.sample_rate, self.max_seconds)
        energies = log_mel(samples, self.sample_rate, bins=self.bins, hop=self.hop, window=self.window)
        return energies.astype(np.float16)

    def encode_many(self, raws: Sequence[bytes]) -> Iterator[np.ndarray]:
        """`encode` for each, in threads."""
        return in_threads(self.encode, raws)

    def fits(self, array: np.ndarray) -> bool:
        """Whether the recording is no longer than the limit."""
        return len(array) - 1 <= self.max_seconds * self.sample_rate / self.hop

    def cost(self, array: np.ndarray) -> int:
        """One position per frequency bin and eight frames."""
        return -(-len(array) // FRAMES_PER_POSITION) * self.bins

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Float[Tensor, "b t f"], Bool[Tensor, "b t"]]:
        """Energies (b, t, bins) float32 and the mask of real frames."""
        return pad(arrays, axes=1, dtype=np.float32)

    def decode(self, symbols: Sequence[int]) -> None:
        """Nothing: sound is an input only."""
        return

    def read(self, value: str) -> bytes:
        """The bytes of an audio file; raises `InputError` if there is none, or a longer one than the limit."""
        return _read_recording(value, self.sample_rate, self.max_seconds)

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return {"kind": "spectrogram", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """Samples in −1…1, the loudest one at full scale, of at most `max_seconds`. Raw: WAV, FLAC, MP3, Ogg … bytes."""

    sample_rate: int = 8000
    max_seconds: float = 10.0
    net: str = "speech"

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.max_seconds) <= 0:
            raise InputError("A waveform needs a sample rate and a longest duration above 0.")
        _check_longest(self.max_seconds)

    @property
    def spec(self) -> Net:
        """A waveform net."""
        return Net(kind="waveform", size=1)

    @property
    def version(self) -> str:
        """Nothing."""
        return ""

    def encode(self, raw: bytes) -> np.ndarray:
        """Samples (t,) float16; raises `InputError` if the bytes are no sound."""
        samples = load_samples(raw, self.sample_rate, self.max_seconds)
        loudest = float(np.abs(samples).max())
        return (samples / max(loudest, np.finfo(np.float32).tiny)).astype(np.float16)

    def encode_many(self, raws: Sequence[bytes]) -> Iterator[np.ndarray]:
        """`encode` for each, in threads."""
        return in_threads(self.encode, raws)

    def fits(self, array: np.ndarray) -> bool:
        """Whether the recording is no longer than the limit."""
        return len(array) <= self.max_seconds * self.sample_rate

    def cost(self, array: np.ndarray) -> int:
        """One position per 256 samples."""
        return -(-len(array) // SAMPLES_PER_POSITION)

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Float[Tensor, "b t"], Bool[Tensor, "b t"]]:
        """Samples (b, t) float32 and the mask of real ones."""
        return pad(arrays, axes=1, dtype=np.float32)

    def decode(self, symbols: Sequence[int]) -> None:
        """Nothing: sound is an input only."""
        return

    def read(self, value: str) -> bytes:
        """The bytes of an audio file; raises `InputError` if there is none, or a longer one than the limit."""
        return _read_recording(value, self.sample_rate, self.max_seconds)

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return {"kind": "waveform", **asdict(self)}


def load_samples(
    raw: bytes, sample_rate: int, max_seconds: float = LONGEST, name: str = "The recording"
) -> Float[np.ndarray, " n"]:
    """One channel of at least one sample at `sample_rate`, float32; raises `InputError` with one sentence.

    What is more than `BEYOND` seconds longer than `max_seconds` ends there.
    """
    try:
        with soundfile.SoundFile(_Content(raw)) as sound:
            rate = sound.samplerate
            if not RATES[0] <= rate <= RATES[1]:
                raise InputError(f"{name} has {rate:,} samples a second: write it anew with 1,000 to 1,000,000.")
            samples = _one_channel(sound, int((max_seconds + BEYOND) * rate), name)
    except InputError:
        raise
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{name} is not an audio file: give WAV, FLAC, MP3 or Ogg.") from error
    if len(samples) == 0:
        raise InputError(f"{name} has no sound: its length is zero.")
    if not np.isfinite(samples).all():
        raise InputError(f"{name} holds values that are no numbers (NaN or infinite): write the file anew.")
    if float(np.abs(samples).max()) > LOUDEST:
        raise InputError(f"{name} holds values above {LOUDEST:.0f}: write the file anew, with samples from -1 to 1.")
    if rate != sample_rate:
        samples = soxr.resample(samples, rate, sample_rate)
    return samples if len(samples) else np.zeros(1, dtype=np.float32)


class _Content(io.BytesIO):
    """The bytes of a file; damaged ones make libsndfile seek to before their start, which would print a traceback."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Stay where it is instead of an error."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def _one_channel(sound: soundfile.SoundFile, most: int, name: str) -> Float[np.ndarray, " n"]:
    """At most so many samples, whatever the header says; the channels are averaged block by block."""
    parts: list[np.ndarray] = []
    count, step = 0, max(1, BLOCK // sound.channels)
    while count < most:
        block = sound.read(min(step, most - count), dtype="float32", always_2d=True)
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number is refused by name later
            parts.append(block.mean(axis=1))
        count += len(block)
        if count > MOST_SAMPLES:
            raise InputError(f"{name} has more than {MOST_SAMPLES:,} samples: lower its sample rate, or cut it.")
        if not len(block):
            break
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _check_longest(seconds: float) -> None:
    if seconds > LONGEST:
        raise InputError(f"Recordings of {seconds:g} s are too long: at most {LONGEST:g} s are read.")


def _read_recording(value: str, sample_rate: int, max_seconds: float) -> bytes:
    raw, name = read_bytes(Path(value), "audio"), one_line(value, LONGEST_WORD)
    seconds = len(load_samples(raw, sample_rate, max_seconds, name)) / sample_rate
    if seconds > max_seconds:
        length = f"{seconds:.1f} s" if seconds < max_seconds + BEYOND - 1 else f"more than {seconds - 1:.0f} s"
        raise InputError(f"{name} lasts {length} and the limit is {max_seconds:g} s: cut it into parts.")
    return raw
