"""Texts and trees made to do harm: odd letters come through, and length and depth cost no more than they must."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import SLOWEST, TIMEOUT, answer, damaged, fuzz, grown, refused, unchecked
from hypothesis import example, given
from hypothesis import strategies as some
from reviews import REVIEWS, made
from toy import toy_tasks

from multimodel import trees
from multimodel.sources.treebank import read_treebank
from multimodel.sources.wording import LONGEST_WORD, one_line, shown
from multimodel.tasks import encoded, text
from multimodel.tasks.category import Category
from multimodel.tasks.cells import LONGEST_TEXT, words
from multimodel.tasks.columns import Category as CategoryColumn
from multimodel.tasks.declared import LONGEST_RUN, declared_tasks
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Example, Task
from multimodel.tasks.text import Text
from multimodel.tasks.tree import Tree, tree_symbols

pytestmark = TIMEOUT
VOCABULARY, _ = toy_tasks()
TEXT, TREE = Text(vocabulary=VOCABULARY, max_length=100_000), Tree(vocabulary=VOCABULARY, max_length=10**6)
LETTERS = some.characters(categories=None) | some.sampled_from("\0\ud800\udfff\u200f\u202e😀👩🏽\u0301 \x85\x1b")
ODD = ["a\0b", "שלום עולם", "مرحبا", "👩🏽‍🚀🇩🇪", "a\u202eb\u200f", "e\u0301\u0323" * 9, "\ufeffa", "\x1b[31mred\x07"]


@pytest.fixture
def fast() -> Iterator[None]:
    with unchecked():
        yield


# letters


@fuzz
@given(some.text(LETTERS, max_size=200))
@example("\ud800")
@example("\0")
@example("")
def test_any_text_comes_through_or_is_refused(value: str) -> None:
    found = answer(lambda: TEXT.read(value))
    if found is not None:
        assert TEXT.decode(TEXT.encode(found).tolist()) == value


@pytest.mark.parametrize("value", ODD)
def test_letters_of_all_kinds_come_through_a_task_from_a_file(value: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": value, "label": label}) + "\n" for label in "xy"))
    task = made(replace(REVIEWS, name="odd", data={"train": str(path)}))[0]
    found = encode_examples(task, "train").inputs[0]
    assert task.input.decode(found.tolist()) == value.strip()


@pytest.mark.parametrize("escape", [r"\ud800", r"a\udfffb", r"\ud83d", r"\ude00\ud83d"])
def test_half_a_letter_in_json_damages_its_row_alone(escape: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "{escape}", "label": "x"}}\n{{"text": "good", "label": "y"}}\n')
    task = made(replace(REVIEWS, name="half", data={"train": str(path)}))
    refused(lambda: task[0].examples["train"][0], r"line 1: column 'text': The text is not valid Unicode")
    found = encode_examples(task[0], "train", most_bad=0.5)
    assert (len(found), len(found.bad)) == (1, 1)


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(LETTERS) | some.binary(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(LETTERS), inner),
    max_leaves=5,
)


@fuzz
@given(VALUES | some.just(10**5000) | some.just("9" * 5000) | some.sampled_from(["٣", "²", "1_0", "+1", "-0"]))
def test_any_cell_is_a_text_or_a_class_or_refused(cell: object) -> None:
    found = answer(lambda: words(cell))
    assert found is None or found.encode().decode().strip() == found != ""
    name = answer(lambda: CategoryColumn("c", classes=["red", "blue"]).raw(cell, Path))
    answer(lambda: None if name is None else Category(names=("red", "blue")).encode(name))


@fuzz
@given(VALUES | some.just(10**5000), some.integers(10, 300))
def test_what_a_message_shows_is_short_and_on_one_line(value: object, longest: int) -> None:
    assert shown(value).isprintable()
    assert len(one_line("😀\n" * 500, longest)) <= 3 * longest
    assert len(shown("a" * 10**6)) < LONGEST_WORD + 10


# length


def test_a_megabyte_of_one_word_is_told_too_long_and_more_is_not_looked_at() -> None:
    for value in ("a" * LONGEST_TEXT, "😀" * (LONGEST_TEXT // 4), "a b " * (LONGEST_TEXT // 4 - 1) + "c"):
        refused(lambda value=value: TEXT.read(value), "symbols and the limit is 100000")
    for read in (TEXT.read, TREE.read, words):
        refused(
            lambda read=read: read("a" * (LONGEST_TEXT + 1)), "has 1,000,001 letters and at most 1,000,000 are read"
        )


@pytest.mark.parametrize("gap", ["", " "])
def test_a_word_or_a_gap_of_a_megabyte_does_not_stop_the_vocabulary(gap: str) -> None:
    letters = "".join("abcdefgh"[number * number % 8191 % 8] for number in range(200_000))
    long = f"a{gap * 300_000}b" if gap else letters
    rows = [{"text": text, "label": label} for text, label in ((long, "x"), ("the fox", "y"), ("a dog", "y"))]
    one = replace(REVIEWS, name="long", data={"train": rows})
    start = time.monotonic()
    vocabulary, _ = declared_tasks([one], DataSettings(vocabulary=400))
    assert time.monotonic() - start < SLOWEST / 2
    assert vocabulary.decode(vocabulary.encode(long[: LONGEST_RUN * 3])) == long[: LONGEST_RUN * 3]


def test_long_texts_are_encoded_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LETTERS", 100)
    raws = ["a" * size for size in (10, 95, 300, 1, 1, 99, 0, 100)]
    assert [len(chunk) for chunk in text._chunks(raws)] == [1, 1, 1, 2, 2, 1]
    assert [found.tolist() for found in TEXT.encode_many(raws)] == [TEXT.encode(raw).tolist() for raw in raws]
    assert list(TEXT.encode_many([])) == []


@pytest.mark.parametrize("bad", [None, 3])
def test_raw_data_is_read_as_much_at_a_time_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, bad: int | None
) -> None:
    monkeypatch.setattr(encoded, "ROOM", encoded.LETTER * 10)
    pairs = [
        (word, "(" if number == bad else f"(S (A {word}))")
        for number, word in enumerate("x" * (number % 12 + 1) for number in range(40))
    ]
    examples = [Example(str(number), *pair) for number, pair in enumerate(pairs)]
    task = Task(name="t", input=TEXT, output=TREE, command="c", measure="tree", examples={"train": examples})
    found = encode_examples(task, "train", most_bad=0.5)
    assert found.rows.tolist() == [number for number in range(40) if number != bad]
    assert len(encoded._first(examples)) < 5


# trees


def branch(label: str, inside: list[str]) -> str:
    return f"({label} {' '.join(inside)})"


LABELS = some.sampled_from(["S", "NP-SBJ-1", ""])
LEAVES = some.sampled_from(["(A b)", "(-NONE- 0)", "(N=2 -LRB-)", "(-LRB- -LRB-)"])
TREES = some.recursive(
    LEAVES, lambda inner: some.builds(branch, LABELS, some.lists(inner, min_size=1, max_size=3)), max_leaves=8
)
BRACKETS = some.text(some.sampled_from("() \n\tab-NONE0\0\ud800=("), max_size=60)


@fuzz
@given(TREES | BRACKETS | some.text(LETTERS, max_size=30))
def test_any_brackets_are_a_tree_or_refused(value: str) -> None:
    if answer(lambda: tree_symbols(value)) is not None:
        tree = trees.read_tree(value)
        sentence = trees.words(tree)
        assert trees.words(trees.from_symbols(trees.symbols(tree), sentence)) == sentence
        assert trees.words(trees.plain(tree)) == [
            word for word, tag in zip(sentence, trees.tags(tree), strict=True) if tag != trees.TRACE
        ]


@pytest.mark.parametrize("ending", [")" * 100_000, ")" * 99_999, ")" * 100_001, "", ") (a b" * 50_000])
@pytest.mark.usefixtures("fast")
def test_a_hundred_thousand_brackets_deep_is_a_tree_or_refused(ending: str) -> None:
    deep = "(a " * 100_000 + "(b c)" + ending
    found = answer(lambda: tree_symbols(deep))
    assert (found is not None) == (ending == ")" * 100_000)
    if found is not None:
        tree = trees.read_tree(deep)
        assert trees.write_tree(trees.plain(tree)) == deep
        assert len(found) == 200_001


@pytest.mark.usefixtures("fast")
def test_closing_what_was_never_opened_takes_no_longer_the_deeper_it_stands() -> None:
    start = time.monotonic()
    tree = trees.from_symbols(["(a"] * 50_000 + [")b"] * 50_000 + ["X"], ["word"])
    assert time.monotonic() - start < SLOWEST / 5
    assert trees.words(tree) == ["word"]


@pytest.mark.usefixtures("fast")
def test_messages_about_brackets_are_short() -> None:
    for value in ("(a " + "b " * 10**5 + ")", "b" * 10**5, "(a b) " + "c" * 10**5):
        refused(lambda value=value: TREE.encode(value), "not a bracketed tree")
        with pytest.raises(trees.TreeError) as caught:
            trees.read_tree(value)
        assert len(str(caught.value)) < 150


@fuzz
@given(damaged([b"( (S (NP (DT the) (NN dog)) (VP (VBZ barks))) )\n" * 3, "( (A (B é-1)) )\n".encode()]))
def test_a_damaged_treebank_is_read_or_refused_tree_by_tree(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bank")
    (folder / "wsj_0001.mrg").write_bytes(content)
    rows = answer(lambda: read_treebank(folder))
    for row in range(len(rows)):
        tree = answer(lambda row=row: rows.cell(row, "tree"))
        assert tree is None or trees.words(trees.read_tree(tree)) == rows.cell(row, "sentence").split()


def test_marks_in_a_megabyte_are_set_off_in_one_pass() -> None:
    for value in ("aa" + "." * 10**6 + "x", "aa.," * 250_000, "a." * 500_000, "." * 10**6):
        start = time.monotonic()
        trees.separate_marks(value)
        assert time.monotonic() - start < SLOWEST / 5


@pytest.mark.usefixtures("fast")
def test_brackets_take_half_a_kilobyte_each() -> None:
    assert grown(lambda: answer(lambda: TREE.encode("(" * 200_000))) < 150
