"""Speech corpora: Kaldi's lists and LibriSpeech's folders."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpora import (
    KALDI,
    LIBRISPEECH,
    SPEECH,
    column,
    content,
    sound,
    splits,
    whole,
    write,
)
from toy import tone

from multimodel.errors import InputError
from multimodel.sources.files import LARGEST_FILE


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
    with (tmp_path / "one.wav").open("wb") as vast:
        vast.truncate(LARGEST_FILE + 1)
    with pytest.raises(InputError, match=r"one\.wav is too large: .* at most 256 MiB are read"):
        rows.cell(0, "file")


def test_the_fingerprint_of_segments_changes_with_their_recordings(tmp_path: Path) -> None:
    files = {"wav.scp": "one one.wav\ntwo two.wav\n", "segments": "a one 0 1\n", "text": "a WORDS\n"}
    found = []
    for change in (files, {"one.wav": b"x"}, {"two.wav": b"x"}, {"one.wav": b"other"}):
        write(tmp_path, change)
        found.append(whole("kaldi", tmp_path).fingerprint)
    assert found[0] != found[1] == found[2] != found[3]


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
