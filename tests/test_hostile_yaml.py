"""Declarations made to do harm: what a YAML file may say is a task or refused in one sentence, whatever it holds."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import TIMEOUT, answer, damaged, fuzz, grown, refused
from hypothesis import given
from hypothesis import strategies as some

from multimodel.tasks.column_options import LARGEST, LONGEST_NAME
from multimodel.tasks.declaration import (
    LARGEST_FILE,
    MOST_ROWS,
    Declaration,
    declaration_from_json,
    read_declaration,
)
from multimodel.tasks.declared import declared_tasks
from multimodel.tasks.examples import open_examples
from multimodel.tasks.settings import DataSettings

pytestmark = TIMEOUT
HEX, DIGITS = "0x" + "f" * 9000, "9" * 400
MINIMAL = {"data": "a.csv", "input": {"text": "t"}, "output": {"category": "l"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("yaml")
    (found / "a.csv").write_text("t,l\none,x\ntwo,y\nthree,x\n")
    return found


def declared(folder: Path, content: str | bytes) -> Declaration:
    """The task of a file, its data opened, and the same again from what a run keeps of it."""
    path = folder / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    found = read_declaration(path)
    open_examples(found)
    kept = json.dumps(found.to_json())
    assert json.dumps(declaration_from_json(json.loads(kept)).to_json()) == kept
    return found


def with_keys(**changes: str) -> str:
    """A whole declaration in YAML, where some keys hold this text."""
    lines = {"data": "a.csv", "input": "{text: t}", "output": "{category: l}", **changes}
    return "\n".join(f"{key}: {value}" for key, value in lines.items())


# anything at all

SCALARS = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text(max_size=9)
    | some.dates()
    | some.binary()
)
ANYTHING = some.recursive(
    SCALARS | some.sampled_from(["a.csv", "text", "image", "t", "l", "train", "a*.csv", "hub", 10**400, "a" * 5000]),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=6) | some.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    "name",
    "data",
    "input",
    "output",
    "command",
    "measure",
    "rate",
    "layout",
    "limit",
    "split",
    "id",
    "held_out",
]
OPTIONS = ["max_length", "side", "grey", "max_seconds", "classes", "net"]
KINDS = ["text", "tree", "image", "audio", "waveform", "category"]
COLUMNS = some.builds(
    lambda kind, column, options: {kind: column, **options},
    some.sampled_from(KINDS),
    some.sampled_from(["t", "l"]) | ANYTHING,
    some.dictionaries(some.sampled_from(OPTIONS) | some.text(max_size=4), ANYTHING, max_size=2),
)
CHANGES = some.dictionaries(some.sampled_from(KEYS) | some.text(max_size=4), ANYTHING | COLUMNS, max_size=4)


@fuzz
@given(CHANGES, some.fixed_dictionaries({}, optional={"input": COLUMNS, "output": COLUMNS}))
def test_values_of_any_type_under_any_key_are_a_task_or_refused(
    folder: Path, changes: dict[str, Any], sides: dict[str, Any]
) -> None:
    content = yaml.safe_dump({**MINIMAL, **sides, **changes}, allow_unicode=False)
    answer(lambda: declared(folder, content))


GOOD = with_keys(name="stars", rate="2.5", limit="3", data="{train: [a.csv], test: a.csv}").encode()
MARKS = "[]{}:,-&*#?|<>=!%@`\"'\\\n\t 0aé\0\ud800!!~"


@fuzz
@given(damaged([GOOD, b"%YAML 1.1\n---\n" + GOOD + b"\n...\n"]) | some.text(some.sampled_from(MARKS), max_size=60))
def test_a_damaged_file_is_a_task_or_refused(folder: Path, content: str | bytes) -> None:
    answer(lambda: declared(folder, content))


# numbers


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("limit", HEX, f"the limit is int too large to show and must be above 0, {MOST_ROWS:,} at most"),
        ("limit", "9" * 5000, "is not YAML: Exceeds the limit"),
        ("rate", HEX, "the rate is inf and must be above 0"),
        ("rate", DIGITS, "the rate is inf"),
        ("rate", "1.0e+300", "the rate is 1e[+]300 and must be above 0, from 1e-06 to 1e[+]06"),
        ("rate", "1.0e-300", "the rate is 1e-300 and must"),
        ("held_out", DIGITS, "held_out is inf and must be above 0 and below 0.5"),
        ("name", HEX, "'name' is int too large to show and must be text"),
        ("input", HEX, "input is int too large to show and must be a kind"),
        ("input", f"{{text: {HEX}}}", "must name a column"),
        ("input", f"{{{DIGITS}: t}}", "needs one kind, not 999"),
        (
            "input",
            f"{{text: t, max_length: {HEX}}}",
            f"is int too large to show and must be a whole .* {LARGEST:,} at most",
        ),
        ("input", f"{{audio: t, max_seconds: {DIGITS}}}", "must be a number above 0, 1,000,000,000 at most"),
        ("input", "{image: t, side: 10000000000}", "side .* must be a whole number"),
        ("output", f"{{category: l, classes: [{HEX}, a]}}", "must be a list of two names"),
        ("data", f"{{? {HEX} : a.csv}}", "no split 'int too large to show'"),
        ("data", f"[{{t: a, l: {HEX}}}, 5]", "are a list of dicts"),
    ],
)
def test_numbers_without_end_are_refused(folder: Path, key: str, value: str, message: str) -> None:
    refused(lambda: declared(folder, with_keys(**{key: value})), message)


def test_a_number_without_end_in_a_cell_is_read_as_no_text(folder: Path) -> None:
    found = declared(folder, with_keys(data=f"[{{t: {HEX}, l: b}}, {{t: a, l: {HEX}}}]"))
    for row in range(2):
        refused(lambda row=row: open_examples(found)["train"][row], "a number of thousands of digits, not text")


def test_a_box_or_a_duration_that_no_memory_holds_is_refused_when_the_task_is_made(folder: Path) -> None:
    for column, message in (
        ("{image: t, side: 1000000}", "too large"),
        ("{audio: t, max_seconds: 1000000}", "too long"),
    ):
        found = declared(folder, with_keys(input=column))
        refused(lambda found=found: declared_tasks([found], DataSettings(vocabulary=300)), message)


# words


@pytest.mark.parametrize("word", [r"a\ud800", r"a\0b", r"a\x1b[31m", r"a\u202eb", r"a\nb", "a" * (LONGEST_NAME + 1)])
def test_names_that_cannot_be_printed_are_refused(folder: Path, word: str) -> None:
    for key, value in (
        ("name", f'"{word}"'),
        ("command", f'"{word}"'),
        ("input", f'{{text: t, net: "{word}"}}'),
        ("output", f'{{category: l, net: "{word}"}}'),
    ):
        refused(
            lambda key=key, value=value: declared(folder, with_keys(**{key: value})),
            f"at most {LONGEST_NAME} letters that can be printed",
        )


@pytest.mark.parametrize(
    "word", [r"\ud800.csv", r"\0", r"a\0*.csv", r"\0/*.csv", "a" * 5000, "a" * 5000 + "*.csv", "/dev/zero"]
)
def test_paths_that_are_none_are_refused(folder: Path, word: str) -> None:
    for data in (f'"{word}"', f'["{word}", "{word}x"]', f'{{train: "{word}"}}'):
        refused(lambda data=data: declared(folder, with_keys(data=data)), "Task a: ")


@pytest.mark.parametrize("pattern", ["/**", "**", "**.csv", "/usr/**.csv", "x**"])
def test_a_pattern_never_walks_through_the_whole_disk(folder: Path, pattern: str) -> None:
    start = time.monotonic()
    refused(lambda: declared(folder, with_keys(data=f'"{pattern}"')), "is not read: name one folder, as in")
    assert time.monotonic() - start < 2


def test_a_key_or_a_column_of_a_hundred_thousand_letters_is_shown_in_part(folder: Path) -> None:
    long = "t" * 40_000
    (folder / "wide.csv").write_text(",".join(f"t{number}" * 20 for number in range(1000)) + f",{long}x\n")
    for content, message in (
        (f'? "{long}"\n: 5\n', "There is no key 'ttt"),
        (with_keys(input=f"{{text: {long}}}", data="wide.csv"), r"no column 'ttt.*\(1,001 in all\)"),
        (with_keys(input=f"{{? {long} : t}}"), "needs one kind, not 'ttt"),
        (with_keys(measure=long), "'ttt.* is no measure"),
        (with_keys(layout=long), "no layout 'ttt"),
    ):
        refused(lambda content=content: declared(folder, content), message)


# time and memory


@pytest.mark.parametrize(
    "content",
    [
        *(
            mark * (LARGEST_FILE // len(mark))
            for mark in ("? ", "- ", "{", "[a,", "&a ", "!!a ", "a\n", "#", "'\n", "|", "%", "<<: ")
        ),
        "{" + ",".join(f"a{number}: b" for number in range(9000)) + "}",
        "a: " + "1:" * 40_000 + "1",
        "a: 1_" + "1_" * 45_000,
        "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "!!set {a, b}",
        "!!binary aGFsbG8=",
    ],
    ids=lambda content: content[:12].encode("unicode_escape").decode(),
)
def test_files_that_are_slow_to_read_are_refused_in_seconds(folder: Path, content: str) -> None:
    start = time.monotonic()
    assert grown(lambda: refused(lambda: declared(folder, content), "a.yaml")) < 200
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("tag", ["object/apply:os.system [ls]", "name:os.system", "tuple [a]"])
def test_no_tag_makes_anything_of_python(folder: Path, tag: str) -> None:
    refused(lambda: declared(folder, f"data: !!python/{tag}"), "is not YAML: could not determine a constructor")


def test_a_pipe_or_a_device_is_no_declaration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name in ("pipe.yaml", "zero.yaml", "loop.yaml", "nu\0l.yaml", "a" * 5000):
        refused(lambda name=name: read_declaration(tmp_path / name), "cannot be read: ")
