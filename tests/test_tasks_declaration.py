"""Columns and declarations: what YAML may say of a task, what it may not, and that JSON keeps all of it."""

import dataclasses
import io
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import soundfile
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image as Pillow
from toy import png, tone, wav

from multimodel.errors import InputError
from multimodel.tasks.column_options import OPTIONS
from multimodel.tasks.columns import COLUMNS, Audio, Category, Image, Text, Tree, Waveform
from multimodel.tasks.declaration import LARGEST_FILE, Declaration, declaration_from_json, read_declaration
from multimodel.tasks.examples import open_examples

MINIMAL = {"data": "a.csv", "input": {"text": "review"}, "output": {"category": "label"}}


def declared(path: Path, content: str | bytes | dict[Any, Any]) -> Declaration:
    if isinstance(content, dict):
        content = yaml.safe_dump(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_declaration(path)


def refused(path: Path, content: str | bytes | dict[Any, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        declared(path, content)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


# YAML


def test_every_key_of_a_file_arrives(tmp_path: Path) -> None:
    content = """
name: stars
data: {train: [a.csv, b.csv], test: c.csv}
input: {text: review, max_length: 64, net: words}
output: {category: label, classes: [1, 2, "yes"], net: marks}
command: to-stars
measure: class
rate: 2
layout: imagenet
limit: 100
split: part
id: key
held_out: 0.1
hint: Ask Ann.
"""
    assert declared(tmp_path / "a.yaml", content) == Declaration(
        name="stars",
        data={"train": ["a.csv", "b.csv"], "test": "c.csv"},
        input=Text("review", max_length=64, net="words"),
        output=Category("label", classes=("1", "2", "yes"), net="marks"),
        command="to-stars",
        measure="class",
        rate=2.0,
        layout="imagenet",
        limit=100,
        split="part",
        id="key",
        held_out=0.1,
        folder=tmp_path,
        hint="Ask Ann.",
    )


def test_the_name_is_the_files_and_paths_are_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.csv").write_text("review,label\ngood,x\nbad,y\n")
    monkeypatch.chdir(tmp_path)
    found = declared(Path("deep/stars.yaml"), {**MINIMAL, "hint": None, "limit": None})
    assert (found.name, found.folder, found.hint) == ("stars", Path("deep"), "")
    assert sum(map(len, open_examples(found).values())) == 2
    assert declaration_from_json(found.to_json()).folder == tmp_path / "deep"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inptu": {"text": "a"}}, r"no key 'inptu': did you mean 'input'\?"),
        ({5: 6}, "no key 5"),
        ({"folder": "/data"}, "no key 'folder' in files: paths are relative to the file"),
        ({"data": None}, "'data' is missing"),
        ({"input": None}, "'input' is missing: a task needs name, data, input and output"),
        ({"data": 5}, "'data' is 5 and must be text or a list or keys and values"),
        ({"name": 5}, "'name' is 5 and must be text"),
        ({"name": True}, "'name' is True and must be text"),
        ({"command": ["a"]}, "'command' is .*must be text"),
        ({"measure": 1.5}, "'measure' is 1.5 and must be text"),
        ({"hint": {}}, "'hint' is {} and must be text"),
        ({"layout": 1}, "'layout' is 1 and must be text"),
        ({"split": []}, r"'split' is \[\] and must be text"),
        ({"id": 7}, "'id' is 7 and must be text"),
        ({"rate": "fast"}, "'rate' is 'fast' and must be a number"),
        ({"held_out": True}, "'held_out' is True and must be a number"),
        ({"held_out": math.nan}, "held_out is nan and must be above 0 and below 0.5"),
        ({"held_out": 0.5}, "held_out is 0.5"),
        ({"limit": 2.5}, "'limit' is 2.5 and must be a whole number"),
        ({"limit": 0}, "the limit is 0 and must be above 0"),
        ({"name": "a.b"}, "cannot be named 'a.b': give it a name without dots"),
        ({"name": "a b"}, "cannot be named"),
        ({"name": "mean"}, "cannot be named mean, which is a word of its own"),
        ({"name": "a\tb"}, "cannot be named"),
        ({"name": "a/b"}, "cannot be named"),
        ({"name": ""}, "cannot be named ''"),
        ({"command": "to.stars"}, "command is 'to.stars' and must be without dots"),
        ({"output": {"image": "picture"}}, "image is no output; give text, tree or category"),
        ({"output": {"waveform": "sound"}}, "waveform is no output"),
        ({"input": "review"}, "input is 'review' and must be a kind with its column, as in `input: {text: review}`"),
        ({"input": {"txet": "a"}}, r"input needs one kind, not 'txet': did you mean 'text'\?"),
        ({"input": {}}, "input needs one kind, not ''"),
        ({"input": {"text": "a", "image": "b"}}, "needs one kind, not 'image and text'"),
        ({"input": {"text": None}}, "must name a column"),
        ({"input": {"text": True}}, "must name a column"),
        ({"input": {"text": ["a", "b"]}}, "must name a column"),
        ({"input": {"text": ""}}, "must be the name of a column"),
        ({"input": {"text": "a", "max_lenght": 5}}, r"text has no option 'max_lenght': did you mean 'max_length'\?"),
        ({"input": {"text": "a", "column": "b"}}, "text has no option 'column'"),
        ({"input": {"text": "a", "side": 5}}, "text has no option 'side'"),
        ({"input": {"text": "a", "max_length": 0}}, "max_length of a column of kind text is 0 and must be a whole"),
        ({"input": {"tree": "a", "max_length": "9"}}, "max_length .* is '9'"),
        ({"input": {"image": "a", "side": 1.5}}, "side .* is 1.5"),
        ({"input": {"image": "a", "grey": "yes"}}, "grey .* is 'yes' and must be true or false"),
        ({"input": {"audio": "a", "max_seconds": -1}}, "max_seconds .* is -1 and must be a number above 0"),
        ({"input": {"audio": "a", "max_seconds": math.nan}}, "max_seconds .* is nan"),
        ({"input": {"waveform": "a", "max_seconds": True}}, "max_seconds .* is True"),
        ({"input": {"text": "a", "net": "a.b"}}, "net .* is 'a.b' and must be a name without dots"),
        ({"input": {"text": "a", "net": None}}, "net .* is None"),
        ({"output": {"category": "a", "classes": "red"}}, "classes .* is 'red' and must be a list of two names"),
        ({"output": {"category": "a", "classes": ["red"]}}, "must be a list of two names or more"),
        ({"output": {"category": "a", "classes": ["red", "red"]}}, "all different"),
        ({"output": {"category": "a", "classes": [True, False]}}, "yes, no, on and off in quotes"),
        ({"output": {"category": "a", "classes": ["red", " "]}}, "classes"),
    ],
)
def test_what_a_key_cannot_be_is_said_in_one_sentence(tmp_path: Path, change: dict[Any, Any], message: str) -> None:
    refused(tmp_path / "a.yaml", {**MINIMAL, **change}, message)


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "is not YAML: anchors and aliases are not read"),
        ("data: a\ndata: b\n", "the key 'data' is given twice"),
        ("input: {text: a, text: b}\n", "the key 'text' is given twice"),
        ("- data: a\n", "must hold keys and values, as in `data: reviews.csv`"),
        ("", "must hold keys and values"),
        ("data", "must hold keys and values"),
        ("a: b: c", "is not YAML: mapping values are not allowed here"),
        ("data: " + "[" * 50_000, "is not YAML: "),
        (
            "data: x\n" + "# \n" * LARGEST_FILE,
            r"yaml is larger than 100,000 bytes: a task is declared in a few lines\.$",
        ),
        ("hint: schön\n".encode("latin-1"), "is not YAML: 'utf-8' codec"),
        ("hint: schön\n".encode("utf-16"), "is not YAML"),
        ("hint: \0\n", "is not YAML"),
        ("data: !!bool maybe\n", "is not YAML"),
        ("data: !!timestamp x\n", "is not YAML"),
        ("data: !!map [a, b]\n", "is not YAML"),
        ("data: !!python/object/apply:os.system [ls]\n", "is not YAML: could not determine a constructor"),
        ("? [data]\n: b\n", "is not YAML"),
        ("--- a\n--- b\n", "is not YAML"),
    ],
)
def test_what_is_no_declaration_is_refused_in_one_sentence(tmp_path: Path, content: str | bytes, message: str) -> None:
    refused(tmp_path / "a.yaml", content, message)


def test_many_keys_are_looked_through_at_once(tmp_path: Path) -> None:
    refused(tmp_path / "a.yaml", "\n".join(f"k{number}: 1" for number in range(3000)), "no key 'k0'")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "a.yaml", tmp_path):
        with pytest.raises(InputError, match=f"{path} cannot be read: "):
            read_declaration(path)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert declared(tmp_path / "a.yaml", "\ufeff" + yaml.safe_dump(MINIMAL)).input == Text("review")


# JSON

WORDS = some.text("abé:{}#- 0", min_size=1, max_size=9).filter(str.strip)
NAMES = some.text("abé:{}#-0", min_size=1, max_size=9)
LENGTHS = some.none() | some.integers(1, 10**6)
SECONDS = some.none() | some.integers(1, 100) | some.floats(0.001, 1e6)
CLASSES = some.lists(NAMES, min_size=2, max_size=5, unique=True)
GIVEN = {
    "text": {"max_length": LENGTHS, "net": NAMES},
    "tree": {"max_length": LENGTHS, "net": NAMES},
    "image": {"side": LENGTHS, "grey": some.booleans(), "net": NAMES},
    "audio": {"max_seconds": SECONDS, "net": NAMES},
    "waveform": {"max_seconds": SECONDS, "net": NAMES},
    "category": {"classes": some.none() | CLASSES, "net": some.none() | NAMES},
}
INPUTS = [some.fixed_dictionaries({kind: WORDS}, optional=options) for kind, options in GIVEN.items()]
PATHS = WORDS | some.lists(WORDS, min_size=1, max_size=3)
DECLARATIONS = some.fixed_dictionaries(
    {
        "name": NAMES,
        "data": PATHS | some.dictionaries(some.sampled_from(["train", "dev", "test"]), PATHS, min_size=1),
        "input": some.one_of(INPUTS),
        "output": some.one_of(INPUTS[0], INPUTS[1], INPUTS[5]),
        "folder": some.just("/data/here"),
    },
    optional={
        "command": NAMES,
        "rate": some.integers(1, 9) | some.floats(0.01, 100),
        "layout": some.none() | NAMES,
        "limit": LENGTHS,
        "split": some.none() | WORDS,
        "id": some.none() | WORDS,
        "held_out": some.floats(0.001, 0.499),
        "hint": WORDS,
    },
).filter(lambda values: "tree" not in values["output"] or "text" in values["input"])


def test_every_kind_of_column_is_tested() -> None:
    assert list(COLUMNS) == list(GIVEN)
    for kind, made in COLUMNS.items():
        assert {field.name for field in dataclasses.fields(made)} == {"column", *GIVEN[kind]}  # type: ignore[arg-type]
        assert made("c").kind == kind
        assert {"column", *GIVEN[kind]} <= set(OPTIONS)


@settings(max_examples=60, deadline=None)
@given(DECLARATIONS)
def test_json_and_yaml_keep_every_declaration(values: dict[str, Any]) -> None:
    made = declaration_from_json(values)
    kept = made.to_json()
    assert declaration_from_json(json.loads(json.dumps(kept))) == made
    assert declaration_from_json(yaml.safe_load(yaml.safe_dump(json.loads(json.dumps(kept))))) == made
    for key, value in values.items():
        assert str(getattr(made, key)) == str(_real(key, value)) or key in ("input", "output")
    for side in (made.input, made.output):
        given = values["input" if side is made.input else "output"]
        for option, value in given.items():
            found = getattr(side, "column" if option == side.kind else option)
            assert (list(found) if isinstance(found, tuple) else found) == value


def _real(key: str, value: Any) -> Any:
    return float(value) if key == "rate" else value


@pytest.mark.parametrize(
    "data",
    [
        [{"review": "good", "label": "x"}, {"review": "bad", "label": "y"}],
        pandas.DataFrame({"review": ["good", "bad"], "label": ["x", "y"]}),
        {"train": [{"review": "good", "label": "x"}]},
    ],
)
def test_data_given_in_python_is_not_kept_and_says_so(data: object) -> None:
    given = Declaration(name="stars", data=data, input=Text("review"), output=Category("label", classes=["x", "y"]))
    kept = json.loads(json.dumps(given.to_json()))
    assert kept["data"] is None
    again = declaration_from_json(kept)
    with pytest.raises(InputError, match="data of task stars was given in Python and is not kept: give the task again"):
        open_examples(again)


# Cells


def nowhere(name: str) -> Path:
    return Path("/nowhere") / name


@pytest.mark.parametrize("cell", ["a", " a\n", 5, 2.5, np.int64(5), np.float32(2.5), np.str_("a"), True])
def test_text_and_numbers_are_words(cell: object) -> None:
    assert Text("c").raw(cell, nowhere) == str(cell).strip()


@pytest.mark.parametrize("cell", [None, "", " \n", math.nan, np.float64("nan")])
def test_empty_cells_and_nan_are_empty(cell: object) -> None:
    for kind in (Text("c"), Tree("c"), Category("c"), Category("c", classes=["a", "b"])):
        with pytest.raises(InputError, match=r"The cell is empty\."):
            kind.raw(cell, nowhere)


@pytest.mark.parametrize("cell", [["a"], {"a": 1}, b"a", np.zeros(3), pandas.NA, Decimal(1), "\ud800", "a\udcff"])
def test_other_cells_are_no_text(cell: object) -> None:
    with pytest.raises(InputError, match=r"not text\.|not valid Unicode"):
        Text("c").raw(cell, nowhere)


def test_a_number_is_a_place_among_the_classes_unless_it_is_the_name_of_one() -> None:
    named, stars = Category("c", classes=["red", "blue"]), Category("c", classes=["1", "2", "3"])
    for cell in (1, "1", np.int64(1), "blue", " blue "):
        assert named.raw(cell, nowhere) == "blue"
    assert [stars.raw(cell, nowhere) for cell in (1, "3", 0)] == ["1", "3", "1"]
    for cell in (2, "2", 10**30):
        with pytest.raises(InputError, match="and there are 2, from 0"):
            named.raw(cell, nowhere)
    assert Category("c").raw(7, nowhere) == "7"
    assert named.raw("green", nowhere) == "green"  # refused when it is encoded


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "F", "I", "I;16"])
def test_pictures_of_any_mode_become_image_files(mode: str) -> None:
    raw = Image("c").raw(Pillow.new(mode, (5, 4)), nowhere)
    assert Pillow.open(io.BytesIO(raw)).size == (5, 4)
    if mode in ("RGB", "RGBA", "CMYK", "YCbCr", "HSV"):
        red = Pillow.new("RGB", (5, 4), (220, 30, 30))
        found = Pillow.open(io.BytesIO(Image("c").raw(red.convert(mode), nowhere))).convert("RGB")
        assert np.abs(np.subtract(found.getpixel((2, 2)), (220, 30, 30))).max() <= 6


def test_damaged_pictures_in_memory_are_named() -> None:
    half = Pillow.open(io.BytesIO(png(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))[:900]))
    for picture in (half, Pillow.new("RGB", (0, 4))):
        with pytest.raises(InputError, match="The image is damaged"):
            Image("c").raw(picture, nowhere)


@pytest.mark.parametrize("kind", [Image("c"), Audio("c"), Waveform("c")])
def test_files_are_bytes_or_paths_or_both(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")

    def file(name: str) -> Path:
        return tmp_path / name

    for cell in (b"content", "a", Path("a"), tmp_path / "a", {"bytes": b"content", "path": "b"}, {"path": "a"}):
        assert kind.raw(cell, file) == b"content"
    for cell in (None, b"", "", 5, {}, {"bytes": None, "path": None}, [1]):
        with pytest.raises(InputError, match=r"The cell names no (image|audio) file\."):
            kind.raw(cell, file)
    for cell, message in (("b", "b does not exist"), ("", "names no"), (".", "cannot be read"), ("a\0", "cannot be")):
        with pytest.raises(InputError, match=message):
            kind.raw(cell, file)


def test_arrays_of_sound_become_audio_files_or_are_named() -> None:
    for array in (tone(400), tone(400).tolist(), np.stack([tone(400)] * 2, axis=1)):
        samples, rate = soundfile.read(io.BytesIO(Audio("c").raw({"array": array, "sampling_rate": 8000}, nowhere)))
        assert rate == 8000
        np.testing.assert_allclose(samples, np.asarray(array), atol=1e-4)
    assert Audio("c").raw(wav(tone(400)), nowhere) == wav(tone(400))
    for array, rate in ((None, 8000), (["a"], 8000), (np.zeros((2, 2, 2)), 8000), (np.zeros(9), None), ([1.0], -1)):
        with pytest.raises(InputError, match="The array is no recording"):
            Audio("c").raw({"array": array, "sampling_rate": rate}, nowhere)
