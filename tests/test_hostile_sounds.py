"""Recordings made to do harm: each is read or refused in one sentence, in time and memory of what a task allows."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hostile import TIMEOUT, answer, damaged, fuzz, grown, refused
from hypothesis import given
from hypothesis import strategies as some
from toy import tone, wav

from multimodel.sources.kaldi import read_cut
from multimodel.tasks.audio import LONGEST, Spectrogram, Waveform, _Content
from multimodel.tasks.columns import Audio

pytestmark = TIMEOUT
FRAMES, SAMPLES = Spectrogram(bins=8, max_seconds=2.0), Waveform(max_seconds=2.0)
SOUND = tone(500, 0.2)


def written(samples: np.ndarray, form: str, rate: int = 8000, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def riff(
    data: bytes, rate: int = 8000, channels: int = 1, bits: int = 16, kind: int = 1, size: int | None = None
) -> bytes:
    """A WAV file whose header says what it is told to."""
    step = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * step & 0xFFFFFFFF, step & 0xFFFF, bits)
    size = len(data) if size is None else size
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + (b"data" + struct.pack("<I", size) + data)
    )


def silence(minutes: int, channels: int, rate: int) -> bytes:
    """Very long and very small."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, channels, format="FLAC") as sound:
        for _ in range(minutes):
            sound.write(np.zeros((60 * rate, channels), dtype=np.int16))
    return file.getvalue()


SEEDS = [
    *(written(SOUND, "WAV", subtype=kind) for kind in ("PCM_16", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM")),
    *(written(SOUND, form) for form in ("FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64")),
    written(np.stack([SOUND] * 8, axis=1), "WAV"),
    written(np.stack([SOUND] * 8, axis=1), "FLAC", 44_100),
]


@fuzz
@given(raw=damaged(SEEDS) | some.binary(max_size=60))
def test_a_damaged_recording_is_refused_or_gives_finite_numbers(raw: bytes) -> None:
    energies, samples = answer(lambda: FRAMES.encode(raw)), answer(lambda: SAMPLES.encode(raw))
    assert (energies is None) == (samples is None)
    if energies is not None:
        assert len(samples) >= 1
        assert len(samples) <= 33 * 8000
        assert energies.shape == (1 + len(samples) // 128, 8)
        assert np.isfinite(energies).all()
        assert 0 <= energies.min() <= energies.max() <= 1
        assert np.abs(samples).max() <= 1


@fuzz
@given(
    rate=some.integers(0, 2**32 - 1) | some.sampled_from([1, 999, 1000, 8001, 10**6, 2**31 - 1]),
    channels=some.integers(0, 2000) | some.just(65_535),
    bits=some.sampled_from([0, 1, 8, 12, 16, 24, 32, 64, 65_535]),
    kind=some.sampled_from([0, 1, 2, 3, 6, 7, 17, 85, 65_534]),
    size=some.none() | some.sampled_from([0, 1, 7, 2**31 - 1, 2**32 - 1]),
    data=some.binary(max_size=300),
)
def test_a_header_of_lies_is_refused_or_read(
    rate: int, channels: int, bits: int, kind: int, size: int | None, data: bytes
) -> None:
    raw = riff(data, rate, channels, bits, kind, size)
    energies = answer(lambda: FRAMES.encode(raw))
    assert energies is None or np.isfinite(energies).all()


@pytest.mark.parametrize("rate", [1, 7, 999, 1_000_001, 2**31 - 1])
def test_absurd_sample_rates_are_named(rate: int) -> None:
    refused(
        lambda: FRAMES.encode(riff(b"\1\0" * 100, rate)), f"has {rate:,} samples a second: write it anew with 1,000"
    )


def test_no_samples_a_second_are_refused() -> None:
    refused(lambda: FRAMES.encode(riff(b"\1\0" * 100, 0)), "not an audio file")


@pytest.mark.parametrize("size", [2**31 - 2, 2**32 - 1])
def test_a_length_that_lies_counts_no_more_than_what_is_there(size: int) -> None:
    content = wav(SOUND)[44:]
    lying, honest = riff(content, size=size), riff(content)
    assert np.array_equal(FRAMES.encode(lying), FRAMES.encode(honest))
    assert grown(lambda: FRAMES.encode(lying)) < 50


def test_a_flac_that_claims_years_costs_nothing() -> None:
    raw = bytearray(written(SOUND, "FLAC"))
    raw[21:26] = bytes([raw[21] | 15, 255, 255, 255, 255])  # the number of samples, of 36 bits
    assert grown(lambda: answer(lambda: FRAMES.encode(bytes(raw)))) < 100


def test_eight_channels_are_their_mean() -> None:
    many = np.stack([SOUND] * 8, axis=1)
    assert np.array_equal(SAMPLES.encode(written(many, "WAV")), SAMPLES.encode(written(SOUND, "WAV")))
    opposite = many * np.array([1, -1] * 4)
    assert not SAMPLES.encode(written(opposite, "WAV", subtype="DOUBLE")).any()


@pytest.mark.parametrize(("minutes", "channels", "rate"), [(10, 1, 8000), (10, 8, 48_000)])
def test_a_long_recording_costs_no_more_than_its_task_allows(
    minutes: int, channels: int, rate: int, tmp_path: Path
) -> None:
    raw = silence(minutes, channels, rate)
    start = time.monotonic()
    for feature in (FRAMES, SAMPLES):
        assert grown(lambda feature=feature: feature.encode(raw)) < 100
        assert not feature.fits(feature.encode(raw))
    assert time.monotonic() - start < 10
    path = tmp_path / "long.flac"
    path.write_bytes(raw)
    refused(lambda: FRAMES.read(str(path)), r"long\.flac lasts more than 31 s and the limit is 2 s: cut it")


def test_how_much_too_long_a_recording_is_can_be_told() -> None:
    assert len(SAMPLES.encode(wav(np.zeros(8000 * 12)))) == 8000 * 12


@pytest.mark.parametrize("loud", [1e10, 1e38])
def test_samples_without_bounds_are_refused(loud: float) -> None:
    for rate in (8000, 44_100):
        raw = written(np.full(1000, loud, dtype=np.float32), "WAV", rate, "FLOAT")
        for feature in (FRAMES, SAMPLES):
            refused(
                lambda raw=raw, feature=feature: feature.encode(raw), "values above 2147483648: write the file anew"
            )


@pytest.mark.parametrize("quiet", [1e-44, 1e-30, 2.0**31])
def test_very_quiet_and_very_loud_sounds_are_brought_to_one_loudness_or_are_silence(quiet: float) -> None:
    raw = written((SOUND / np.abs(SOUND).max() * quiet).astype(np.float32), "WAV", subtype="FLOAT")
    energies = FRAMES.encode(raw)
    assert energies.max() == (1 if quiet > 1 else 0)
    assert np.abs(SAMPLES.encode(raw)).max() == (1 if quiet > 1e-38 else pytest.approx(0, abs=1e-5))


def test_a_double_too_large_for_a_float_is_no_number() -> None:
    refused(lambda: FRAMES.encode(written(np.full(100, 1e300), "WAV", subtype="DOUBLE")), "no numbers")


def test_channels_that_cancel_to_no_number_are_refused_without_a_warning() -> None:
    samples = np.tile([np.inf, -np.inf, np.nan, 1e38], (100, 1)).astype(np.float32)
    refused(lambda: FRAMES.encode(written(samples, "WAV", subtype="FLOAT")), "no numbers")
    refused(lambda: FRAMES.encode(written(samples[:, 3:].repeat(9, 1) * 3, "WAV", subtype="FLOAT")), "no numbers")


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_of_half_a_recording_the_half_is_read_or_it_is_refused(form: str) -> None:
    whole = written(np.tile(SOUND, 5), form)
    for part in (0.05, 0.5, 0.95):
        energies = answer(lambda part=part: FRAMES.encode(whole[: int(part * len(whole))]))
        assert energies is None or len(energies) <= len(FRAMES.encode(whole))


def test_a_place_before_the_start_of_a_file_is_not_gone_to() -> None:
    content = _Content(b"abcdef")
    assert (content.seek(3), content.seek(-1), content.seek(-9, io.SEEK_CUR), content.tell()) == (3, 3, 0, 0)


def test_words_are_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_text("This is a text.\n" * 50)
    refused(lambda: FRAMES.read(str(path)), r"sound\.wav is not an audio file: give WAV, FLAC, MP3 or Ogg\.")


def test_a_task_may_not_allow_more_than_an_hour() -> None:
    for made in (Spectrogram, Waveform):
        refused(lambda made=made: made(max_seconds=LONGEST + 1), "too long: at most 3600 s are read")


@pytest.mark.parametrize("rate", [0, -1, 10**30, float("inf"), float("nan"), "x", None, [8000]])
def test_arrays_with_a_rate_that_is_none_are_refused(rate: object) -> None:
    cell = {"array": SOUND, "sampling_rate": rate}
    found = answer(lambda: FRAMES.encode(Audio("c").raw(cell, Path)))
    assert found is None


@pytest.mark.parametrize(("start", "end"), [(0.0, -1.0), (1e308, 1e308), (1e300, -1.0), (0.0, 1e308)])
def test_cuts_at_absurd_times_are_refused_or_read(start: float, end: float, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(SOUND))
    assert (answer(lambda: read_cut(path, start, end)) is None) == (start > 1)


def test_a_cut_of_hours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(silence(5, 8, 48_000))
    assert grown(lambda: refused(lambda: read_cut(path, 0.0, -1.0), "more than 50 million samples are cut out")) < 50
