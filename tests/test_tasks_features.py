import io
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from toy import TONES, png, tone, toy_tasks, wav

from multimodel.batch import Net
from multimodel.errors import InputError
from multimodel.tasks.audio import Spectrogram, Waveform
from multimodel.tasks.category import Category
from multimodel.tasks.features import FEATURES, Feature, feature_from_json
from multimodel.tasks.image import Image
from multimodel.tasks.parallel import CHUNK, usable_cores
from multimodel.tasks.text import Text
from multimodel.tasks.tree import Tree
from multimodel.tasks.vocabulary import END

VOCABULARY, TASKS = toy_tasks()
TEXT = Text(vocabulary=VOCABULARY, max_length=20)
TREE = Tree(vocabulary=VOCABULARY, max_length=20)
IMAGE = Image(height=8, width=12)
GREY = Image(height=8, width=8, channels=1, net="scan")
CATEGORY = Category(names=("cat", "dog"), net="pets")
SPECTROGRAM = Spectrogram(bins=8, max_seconds=2.0)
WAVEFORM = Waveform(sample_rate=4000, max_seconds=1.0)

PICTURE = png(np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3))
SHORT, LONG = wav(tone(500)), wav(tone(900, 0.5))
SPOKEN_TREE = "(S (NP (DT the) (NN fox)))"

# one row per kind of feature: the feature, two raw values of unlike length, dtype and shape of the first
CASES = {
    "text": (TEXT, "the fox", "the fox sees a bear", np.int32, None),
    "tree": (TREE, SPOKEN_TREE, "(NP (NN fox))", np.int32, (7,)),
    "image": (IMAGE, PICTURE, png(np.zeros((2, 6), dtype=np.uint8)), np.uint8, (8, 8, 3)),
    "category": (CATEGORY, "dog", "cat", np.int32, (1,)),
    "spectrogram": (SPECTROGRAM, SHORT, LONG, np.float16, (8, 8)),
    "waveform": (WAVEFORM, SHORT, LONG, np.float16, (480,)),
}


def test_every_kind_of_feature_is_a_case() -> None:
    assert CASES.keys() == FEATURES.keys()


@pytest.mark.parametrize("kind", CASES)
def test_arrays_are_compact_and_as_documented(kind: str) -> None:
    feature, raw, _, dtype, shape = CASES[kind]
    array = feature.encode(raw)
    assert array.dtype == dtype
    assert shape is None or array.shape == shape
    assert feature.fits(array)
    assert feature.cost(array) >= 1


@pytest.mark.parametrize("kind", CASES)
def test_encoding_many_equals_encoding_each(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multimodel.tasks.image.SMALL", 0)  # pictures too are decoded by several threads
    feature, first, second = CASES[kind][:3]
    raws = [first] * (CHUNK + 1) + [second] * (CHUNK + 1)
    for many, one in zip(feature.encode_many(raws), map(feature.encode, raws), strict=True):
        np.testing.assert_array_equal(many, one)


def test_only_the_cores_that_this_process_may_use_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert usable_cores() == 3


@pytest.mark.parametrize("kind", CASES)
def test_masks_are_true_exactly_where_the_data_is_real(kind: str) -> None:
    feature, first, second = CASES[kind][:3]
    arrays = [feature.encode(first), feature.encode(second)]
    values, mask = feature.collate(arrays)
    axes = mask.ndim - 1
    for row, array in enumerate(arrays):
        expected = torch.zeros(mask.shape[1:], dtype=torch.bool)
        expected[tuple(slice(0, size) for size in array.shape[:axes])] = True
        assert torch.equal(mask[row], expected)
        assert not values[row][~mask[row]].any()


@pytest.mark.parametrize("kind", CASES)
def test_real_values_do_not_depend_on_what_else_is_in_the_batch(kind: str) -> None:
    feature, first, second = CASES[kind][:3]
    arrays = [feature.encode(first), feature.encode(second)]
    values, mask = feature.collate(arrays)
    for row, array in enumerate(arrays):
        alone, whole = feature.collate([array])
        assert whole.all()
        assert torch.equal(values[row][mask[row]], alone[0].reshape(-1, *alone.shape[mask.ndim :]))


@pytest.mark.parametrize("kind", CASES)
def test_a_feature_survives_json(kind: str) -> None:
    feature = CASES[kind][0]
    for other in (feature, replace(feature, net="other"), *([GREY] if kind == "image" else [])):
        written = json.loads(json.dumps(other.to_json()))
        assert written["kind"] == kind
        assert feature_from_json(written, VOCABULARY) == other


@pytest.mark.parametrize("values", [{}, {"kind": "smell"}, {"kind": "image"}, {"kind": "image", "depth": 3}])
def test_wrong_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError):
        feature_from_json(values, VOCABULARY)


@pytest.mark.parametrize("feature", [TEXT, TREE, CATEGORY])
@given(st.lists(st.integers(-3, 500)))
def test_decoding_any_symbols_never_raises(feature: Feature, symbols: list[int]) -> None:
    assert feature.decode(symbols) is not None


def test_decoding_stops_at_the_end_symbol() -> None:
    fox = TEXT.encode("fox").tolist()
    assert fox[-1] == END
    assert TEXT.decode(fox + fox) == "fox"
    tree = TREE.encode(SPOKEN_TREE).tolist()
    assert TREE.decode([*tree, *tree]) == ["(S", "(NP", "DT", "NN", ")NP", ")S"]


def test_decoding_a_class_that_is_none_gives_nothing() -> None:
    assert (CATEGORY.decode([1]), CATEGORY.decode([2]), CATEGORY.decode([])) == ("dog", "", "")


def test_all_kinds_of_text_share_one_net() -> None:
    assert TEXT.spec == TREE.spec == Net(kind="text", size=VOCABULARY.size)
    assert TEXT.net == TREE.net == "text"


# pictures


def saved(picture: Pillow.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, **{"format": "PNG", **options})
    return file.getvalue()


def test_a_picture_keeps_its_shape_when_it_is_fitted() -> None:
    wide = saved(Pillow.new("RGB", (300, 100)))
    assert IMAGE.encode(wide).shape == (4, 12, 3)
    assert IMAGE.encode(saved(Pillow.new("RGB", (1, 1)))).shape == (8, 8, 3)
    assert IMAGE.encode(saved(Pillow.new("RGB", (1000, 1)))).shape == (1, 12, 3)


def test_transparency_is_laid_on_white() -> None:
    for mode, colour in (("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))):
        assert (IMAGE.encode(saved(Pillow.new(mode, (4, 4), colour))) == 255).all()
    half = IMAGE.encode(saved(Pillow.new("RGBA", (8, 8), (0, 0, 0, 128))))
    assert set(np.unique(half)) <= {127, 128}


def test_sixteen_bits_and_four_inks_become_eight_bits_in_three_colours() -> None:
    deep = saved(Pillow.fromarray(np.full((8, 8), 32768, dtype=np.uint16)))
    assert (IMAGE.encode(deep) == 128).all()
    inks = saved(Pillow.new("CMYK", (8, 8), (0, 0, 0, 0)), format="JPEG")
    assert (IMAGE.encode(inks) >= 254).all()


def test_a_picture_is_turned_upright_by_its_exif() -> None:
    picture = Pillow.new("RGB", (8, 4))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert IMAGE.encode(saved(picture, exif=exif)).shape == (8, 4, 3)


def test_grey_pictures_share_the_colour_net() -> None:
    pixels, mask = GREY.collate([GREY.encode(PICTURE)])
    assert pixels.shape == (1, 8, 8, 3)
    assert torch.equal(pixels[..., 0], pixels[..., 2])
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert mask.all()
    assert GREY.spec == IMAGE.spec


def bomb(side: int) -> bytes:
    """The head of a PNG that claims to have `side` × `side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8000, 10_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(side: int) -> None:
    with pytest.raises(InputError, match="too large"):
        IMAGE.encode(bomb(side))


# what a user gives


def test_reading_gives_what_encoding_takes(tmp_path: Path) -> None:
    for name, content in (("picture.png", PICTURE), ("word.wav", SHORT)):
        (tmp_path / name).write_bytes(content)
    assert TEXT.read("the fox") == "the fox"
    assert CATEGORY.read("dog") == "dog"
    assert TREE.read(SPOKEN_TREE) == SPOKEN_TREE
    assert IMAGE.read(str(tmp_path / "picture.png")) == PICTURE
    assert SPECTROGRAM.read(str(tmp_path / "word.wav")) == SHORT
    assert WAVEFORM.read(str(tmp_path / "word.wav")) == SHORT


@pytest.mark.parametrize(
    ("feature", "value", "message"),
    [
        (TEXT, "", "is empty"),
        (TEXT, " \n", "is empty"),
        (TEXT, "fox " * 30, "the limit is 20"),
        (TEXT, "fox\udcff", "not valid Unicode"),
        (CATEGORY, "cow", "choose from cat, dog"),
        (TREE, "(S (NP", "not a bracketed tree"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(feature: Feature, value: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        feature.read(value)


NOT_A_NUMBER = np.array([0.0, np.nan, 0.0], dtype=np.float32)


def float_wav(samples: np.ndarray) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize(
    ("feature", "content", "message"),
    [
        (IMAGE, b"", "is empty"),
        (IMAGE, b"no picture", "not an image"),
        (IMAGE, SHORT, "not an image"),
        (SPECTROGRAM, b"", "is empty"),
        (SPECTROGRAM, b"no sound", "not an audio file"),
        (SPECTROGRAM, PICTURE, "not an audio file"),
        (SPECTROGRAM, wav(np.zeros(0)), "length is zero"),
        (SPECTROGRAM, float_wav(NOT_A_NUMBER), "no numbers"),
        (SPECTROGRAM, wav(np.zeros(16_100)), "the limit is 2 s"),
        (WAVEFORM, wav(np.zeros(16_100)), "the limit is 1 s"),
    ],
    # no bytes in the names of tests: a WAV file of floats holds the second in which it was written
    ids=[
        "empty image",
        "text",
        "half an image",
        "empty sound",
        "text",
        "image",
        "no length",
        "no numbers",
        "long",
        "long",
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, feature: Feature, content: bytes, message: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        feature.read(str(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("feature", [IMAGE, SPECTROGRAM, WAVEFORM])
def test_a_path_without_a_file_is_refused(tmp_path: Path, feature: Feature) -> None:
    with pytest.raises(InputError, match="does not exist"):
        feature.read(str(tmp_path / "none"))
    with pytest.raises(InputError, match="cannot be read"):
        feature.read(str(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        feature.read("a\0b")


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "cut.png"
    path.write_bytes(png(noise)[:3000])
    with pytest.raises(InputError, match="damaged"):
        IMAGE.read(str(path))


# sound


def test_stereo_and_odd_rates_become_one_channel_at_one_rate() -> None:
    stereo = wav(np.stack([tone(700, 0.5, 44_100), tone(700, 0.5, 44_100)], axis=1), 44_100)
    here, there = SPECTROGRAM.encode(stereo), SPECTROGRAM.encode(wav(tone(700, 0.5)))
    assert here.shape == there.shape
    assert np.abs(here.astype(float) - there.astype(float)).mean() < 0.05
    assert len(WAVEFORM.encode(stereo)) == pytest.approx(2000, abs=1)


def test_a_spectrogram_does_not_depend_on_the_volume_and_is_never_negative() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(8000)
    loud, quiet = SPECTROGRAM.encode(float_wav(noise)), SPECTROGRAM.encode(float_wav(noise / 10))
    np.testing.assert_allclose(loud, quiet, atol=2e-3)
    assert loud.min() >= 0
    assert loud.max() == 1


def test_silence_is_zero() -> None:
    assert not SPECTROGRAM.encode(wav(np.zeros(800))).any()
    assert not WAVEFORM.encode(wav(np.zeros(800))).any()


def test_a_higher_tone_is_a_higher_bin() -> None:
    loudest = [SPECTROGRAM.encode(wav(tone(hertz))).sum(axis=0).argmax() for hertz in TONES.values()]
    assert loudest == sorted(loudest)
    assert loudest[0] < loudest[-1]


def test_one_sample_is_a_recording() -> None:
    assert SPECTROGRAM.encode(wav(np.ones(1))).shape == (1, 8)
    assert WAVEFORM.encode(wav(np.ones(1), 44_100)).shape == (1,)
