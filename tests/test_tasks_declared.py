"""Declared tasks with their examples: splits, vocabulary, classes, and what is bad."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reviews import CELLS, INPUTS, LONG, PICTURE, REVIEWS, ROWS, SETTINGS, SOUND, TEXTS, csv, made
from toy import png, tone, wav

from multimodel.errors import InputError
from multimodel.tasks.columns import Audio, Category, Column, Image, Text, Tree, Waveform
from multimodel.tasks.declaration import Declaration
from multimodel.tasks.declared import declared_tasks, with_examples
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.examples import Examples, open_examples
from multimodel.tasks.task import task_from_json
from multimodel.tasks.vocabulary import Vocabulary


def rows_of(examples: Examples) -> list[int]:
    return examples.places.tolist()


def texts(declared: Declaration) -> dict[str, set[str]]:
    return {split: {example.input for example in examples} for split, examples in open_examples(declared).items()}


# Tasks


OUTPUTS = {"text": Text("text"), "tree": Tree("tree"), "category": Category("label", classes=["red", "blue"])}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("kind", INPUTS)
def test_any_input_and_any_output_make_a_task(kind: str, output: str) -> None:
    if output == "tree" and kind != "text":
        with pytest.raises(InputError, match="made of the words of a text"):
            replace(REVIEWS, input=INPUTS[kind], output=OUTPUTS[output])
        return
    (task,) = made(replace(REVIEWS, input=INPUTS[kind], output=OUTPUTS[output]))
    encoded = encode_examples(task, "train")
    assert encoded.rows.tolist() == list(range(10))
    measures = {("audio", "text"): "transcript", ("waveform", "text"): "transcript", ("image", "text"): "caption"}
    assert task.measure == measures.get(
        (kind, output), {"text": "translation", "category": "class"}.get(output, output)
    )
    assert (task.command, task.rate, task.origin.name) == ("to-reviews", 1.0, "reviews")
    for array, example in zip(encoded.inputs, task.examples["train"], strict=True):
        np.testing.assert_array_equal(array, task.input.encode(example.input))


def test_what_is_declared_takes_the_place_of_what_is_usual() -> None:
    declared = replace(REVIEWS, input=Text("text", max_length=9, net="words"), command="to-stars")
    (task,) = made(replace(declared, rate=0.5, output=Text("label"), measure="transcript"))
    assert (task.command, task.measure, task.rate) == ("to-stars", "transcript", 0.5)
    (task,) = made(replace(declared, output=Category("label", net="marks")))
    assert (task.input.net, task.input.max_length, task.output.net) == ("words", 9, "marks")
    with pytest.raises(InputError, match="'bleu' is no measure of category: give class"):
        replace(REVIEWS, measure="bleu")


def test_classes_are_those_of_training_in_order_or_those_given() -> None:
    rows = {"train": [{"text": "a", "label": word} for word in ("b", "a", None, "c")], "test": ROWS[:2]}
    declared = replace(REVIEWS, data=rows)
    (task,) = made(declared)
    assert task.output.names == ("a", "b", "c")
    assert task.output.net == "reviews-label"
    with pytest.raises(
        InputError, match=r"\n  example row 0: 'red' is no class here: choose from a, b, c\.\n  example"
    ):
        encode_examples(task, "test", most_bad=0.5)
    numbers = {"train": [{"text": "a", "label": number} for number in (1, "0", "c", 1.0)]}
    (task,) = made(replace(declared, data=numbers, output=Category("label", classes=["c", "b"])))
    encoded = encode_examples(task, "train", most_bad=0.25)
    assert [array.tolist() for array in encoded.outputs] == [[1], [0], [0]]
    assert encoded.bad == ("example row 3: '1.0' is no class here: choose from c, b.",)


def test_of_a_thousand_classes_a_message_names_twenty() -> None:
    many = Category("label", classes=[f"c{number}" for number in range(1000)])
    (task,) = made(replace(REVIEWS, data={"train": [{"text": "a", "label": "x"}]}, output=many))
    with pytest.raises(InputError, match=r"'x' is no class here: choose from c0, .*, c19 … \(1,000 in all\)\.$"):
        encode_examples(task, "train")


def test_a_net_may_not_take_the_dots_of_a_column() -> None:
    rows = {"train": [{"text": "a", "a.label": "x"}, {"text": "b", "a.label": "y"}]}
    assert made(replace(REVIEWS, data=rows, output=Category("a.label")))[0].output.net == "reviews-a-label"


def test_tasks_that_cannot_be_made_say_why() -> None:
    same = {"train": [{"text": "a", "label": "x"}] * 3}
    with pytest.raises(InputError, match="Task reviews: column 'label' has 1 classes in the training rows"):
        made(replace(REVIEWS, data=same))
    with pytest.raises(InputError, match=r"data of task reviews has no column 'lable': did you mean 'label'\?"):
        made(replace(REVIEWS, output=Category("lable")))
    for changes in ({"split": "part"}, {"id": "key"}):
        with pytest.raises(InputError, match=r"no column '(part|key)'"):
            made(replace(REVIEWS, **changes))
    for data in ({"test": ROWS}, {}):
        with pytest.raises(InputError, match="Task reviews has no training examples"):
            made(replace(REVIEWS, data=data))
    with pytest.raises(InputError, match="two tasks named reviews: give each its own name"):
        made(REVIEWS, REVIEWS)
    for name in ("nowhere.csv", "n" * 300):
        with pytest.raises(InputError, match=r"Task reviews: .* Ask Ann\.$"):
            made(replace(REVIEWS, data=name, hint="Ask Ann."))


def test_a_task_finds_its_examples_again_in_the_same_folder_or_another(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        csv(tmp_path / folder / "a.csv", [f"{folder} {number},{'xy'[number % 2]}" for number in range(20)])
    (task,) = made(replace(REVIEWS, data="a.csv", folder=tmp_path / "here"))
    vocabulary = task.input.vocabulary
    again = task_from_json(task.to_json(), vocabulary)
    assert (again, dict(again.examples)) == (task, {})
    assert [*with_examples(again).examples["train"]] == [*task.examples["train"]]
    assert all("there" in example.input for example in with_examples(again, tmp_path / "there").examples["train"])
    for origin in (None, made(REVIEWS)[0].origin.to_json()):
        with pytest.raises(InputError, match="data of task reviews was given in Python and is not kept: give the task"):
            with_examples(task_from_json({**task.to_json(), "origin": origin}, vocabulary))


# Vocabulary


def word_count(vocabulary: Vocabulary, word: str) -> int:
    return len(vocabulary.encode(word))


def test_the_vocabulary_learns_from_training_alone_and_from_tasks_read_too() -> None:
    def rows(word: str) -> list[dict[str, str]]:
        return [{"text": f"{word} {word}", "label": label} for label in "xy" for _ in range(20)]

    declared = replace(REVIEWS, data={"train": rows("seen"), "dev": rows("zebra"), "test": rows("quagga")})
    vocabulary = declared_tasks([declared], SETTINGS)[0]
    assert [word_count(vocabulary, word) for word in (" seen", " zebra", " quagga")] == [1, 6, 7]
    other = replace(declared, name="other", data={"train": rows("zebra")})
    vocabulary, tasks = declared_tasks([declared], SETTINGS, read_too=[declared, other])
    assert [len(tasks), word_count(vocabulary, " zebra"), word_count(vocabulary, " quagga")] == [1, 1, 7]
    assert made(other, vocabulary=vocabulary)[0].input.vocabulary is vocabulary


def test_text_that_two_tasks_read_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    train = "multimodel.tasks.declared.train_vocabulary"
    vocabulary = made(REVIEWS)[0].input.vocabulary
    monkeypatch.setattr(train, lambda texts, symbols, size: counted.extend(texts) or vocabulary)
    both = replace(REVIEWS, name="both", output=Text("tree"))
    few, half = replace(REVIEWS, name="few", limit=2), replace(REVIEWS, name="half", data=ROWS, held_out=0.3)
    for declared, expected in (
        ([REVIEWS, both], [*TEXTS, *CELLS["tree"]]),
        ([replace(REVIEWS, name="copy", output=Tree("tree")), both], [*TEXTS, *CELLS["tree"]]),
        ([few, REVIEWS], TEXTS),
        ([few, replace(few, name="classes", input=Category("text"), output=Category("label"))], TEXTS[:2]),
        ([half, replace(half, name="both", held_out=0.01)], TEXTS),
    ):
        counted.clear()
        declared_tasks(declared, SETTINGS)
        assert sorted(counted) == sorted(expected)


def test_a_broken_tree_teaches_nothing_and_is_named() -> None:
    rows = [{"text": TEXTS[0], "tree": word} for word in (CELLS["tree"][0], "(S (NP", None)]
    (task,) = made(replace(REVIEWS, data={"train": rows}, output=Tree("tree")))
    assert set(task.output.vocabulary.tree_symbols) >= {"(S", ")S", "NN"}
    encoded = encode_examples(task, "train", most_bad=1.0)
    assert encoded.rows.tolist() == [0]
    assert encoded.bad[0].startswith("example row 1: This is not a bracketed tree")
    assert encoded.bad[1] == "row 2: column 'tree': The cell is empty."


# Splits


def test_a_column_says_which_split_and_a_damaged_row_is_one_of_training(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", [])
    path.write_text("text,label,split\na,x,Train\nb,y,valid\nc\nd,x,test\ne,y,training\n")
    (task,) = made(replace(REVIEWS, data="a.csv", folder=tmp_path))
    assert {split: rows_of(examples) for split, examples in task.examples.items()} == {
        "train": [0, 2, 4],
        "dev": [1],
        "test": [3],
    }
    assert encode_examples(task, "train", most_bad=0.5).bad == (
        f"{tmp_path}/a.csv, line 4: column 'text': This line has 1 cells, and the first line names 3 columns.",
    )
    path.write_text("text,label,part\na,x,train\nb,y,tset\n")
    with pytest.raises(
        InputError, match=r"a\.csv, line 3: column 'part': There is no split 'tset': did you mean 'test'"
    ):
        made(replace(REVIEWS, data="a.csv", folder=tmp_path, split="part"))


@pytest.mark.parametrize("held_out", [0.05, 0.2, 0.4])
def test_the_hash_puts_every_row_into_one_split_and_moves_none_later(tmp_path: Path, held_out: float) -> None:
    lines = [f"text number {number},x" for number in range(300)]
    csv(tmp_path / "a.csv", lines)
    csv(tmp_path / "moved/a.csv", [f"new {line}" for line in lines] + [line.replace(" ", "  ") for line in lines])
    before, after = (
        replace(REVIEWS, data="a.csv", folder=folder, held_out=held_out) for folder in (tmp_path, tmp_path / "moved")
    )
    places = [row for examples in open_examples(before).values() for row in rows_of(examples)]
    assert sorted(places) == list(range(300))
    found, later = texts(before), texts(after)
    for split, share in (("dev", held_out), ("test", held_out), ("train", 1 - 2 * held_out)):
        assert len(found[split]) / 300 == pytest.approx(share, abs=0.08)
        assert found[split] <= {" ".join(text.split()) for text in later[split]}


def test_files_named_in_cells_fall_into_splits_by_their_names_wherever_the_folder_lies(tmp_path: Path) -> None:
    declared = replace(REVIEWS, input=Image("file"), output=Category("class"), held_out=0.3)
    found = []
    for folder in ("one", "two"):
        for number in range(40):
            path = tmp_path / folder / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PICTURE)
        examples = open_examples(replace(declared, data=folder, folder=tmp_path))
        found.append({split: rows_of(part) for split, part in examples.items()})
        assert set(found[-1]) == {"train", "dev", "test"}
        (tmp_path / "two/a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "two/a/new.png").write_bytes(PICTURE)
    names = [f"{'ab'[number % 2]}/{number}.png" for number in range(40)]
    one, two = sorted(names), sorted([*names, "a/new.png"])
    for split in found[0]:
        assert {one[row] for row in found[0][split]} == {two[row] for row in found[1][split]} - {"a/new.png"}


@pytest.mark.parametrize(
    ("given", "wanted", "by"),
    [
        (Image("image"), Text("text"), "text"),
        (Category("label"), Text("text"), "text"),
        (Audio("sound"), Category("label"), None),
    ],
)
def test_bytes_and_classes_tell_nothing_apart_but_an_id_does(given: Column, wanted: Column, by: str | None) -> None:
    many = [{**ROWS[number % 10], "text": f"text {number}", "id": f"k{-number}"} for number in range(60)]
    declared = Declaration(name="t", data=many, input=given, output=wanted, held_out=0.25)
    alike = replace(declared, input=Text(by)) if by else replace(declared, data=list(reversed(many)))
    named = {**vars(declared), "id": "id", "input": Text("id")}

    def divided(one: Declaration) -> dict[str, list[int]]:
        return {split: rows_of(examples) for split, examples in open_examples(one).items()}

    assert divided(declared) == divided(alike)
    assert divided(replace(declared, id="id")) == divided(Declaration(**named))
    assert set(divided(declared)) == {"train", "dev", "test"}


def test_a_limit_takes_the_first_rows() -> None:
    assert [rows_of(part) for part in open_examples(replace(REVIEWS, limit=3)).values()] == [[0, 1, 2]]
    divided = open_examples(replace(REVIEWS, data=ROWS, limit=4, held_out=0.3))
    assert sorted(row for part in divided.values() for row in rows_of(part)) == [0, 1, 2, 3]


# What is bad


def test_text_longer_than_its_limit_is_left_out_and_counted() -> None:
    rows = {"train": [{"text": LONG[:length], "label": "xy"[length % 2]} for length in (1, 2, 900, 3)]}
    (task,) = made(replace(REVIEWS, data=rows))
    encoded = encode_examples(task, "train")
    assert (encoded.rows.tolist(), encoded.too_long, encoded.bad) == ([0, 1, 3], 1, ())
    (task,) = made(replace(REVIEWS, data=rows, input=Text("text", max_length=1)))
    with pytest.raises(InputError, match="No train example of task reviews can be used: 4 are longer than its limits"):
        encode_examples(task, "train")


def test_bad_files_and_cells_are_named_with_their_place(tmp_path: Path) -> None:
    noise = png(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    names = {"good": PICTURE, "noise": b"no picture", "cut": noise[:900], "empty": b""}
    for name, content in names.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    csv(tmp_path / "a.csv", [f"{name}.png,a {name}" for name in (*names, "missing", "good")] + [",x", "good.png,"])
    (task,) = made(
        replace(REVIEWS, data={"train": "a.csv"}, folder=tmp_path, input=Image("text"), output=Text("label"))
    )
    encoded = encode_examples(task, "train", most_bad=1.0)
    assert encoded.rows.tolist() == [0, 5]
    place = f"{tmp_path}/a.csv, line"
    for reason, start, end in zip(
        encoded.bad,
        ("example a.csv, line 3", "example a.csv, line 4", *(f"{place} {line}: column" for line in (5, 6, 8, 9))),
        (
            "is not an image: give a",
            "is a damaged image: ",
            "empty.png is empty",
            "missing.png does",
            "no image",
            "empty",
        ),
        strict=True,
    ):
        assert reason.startswith(start)
        assert end in reason


def test_sound_without_length_and_sound_that_is_too_long_are_left_out() -> None:
    sounds = [SOUND, wav(np.zeros(0)), b"noise", {"bytes": None, "path": "no.wav"}, wav(tone(400, seconds=0.5))]
    rows = {"train": [{"sound": sound, "text": "a"} for sound in sounds]}
    for kind in (Audio("sound", max_seconds=0.3), Waveform("sound", max_seconds=0.3)):
        (task,) = made(replace(REVIEWS, data=rows, input=kind, output=Text("text")))
        encoded = encode_examples(task, "train", most_bad=0.6)
        assert (encoded.rows.tolist(), encoded.too_long, len(encoded.bad)) == ([0], 1, 3)
        for reason, words in zip(encoded.bad, ("length is zero", "not an audio file", "no.wav does"), strict=True):
            assert words in reason


def test_too_many_bad_examples_stop_with_ten_of_them_and_their_count(tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", ["good,x", "fine,y", *["broken"] * 14])
    (task,) = made(replace(REVIEWS, data={"train": "a.csv"}, folder=tmp_path))
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        with pytest.raises(InputError, match=r"14 of 16 examples cannot be used, and 87\.0% may be so") as caught:
            encode_examples(task, "train", cache=cache, most_bad=0.87)
        lines = str(caught.value).splitlines()
        assert (len(lines), lines[-1]) == (12, "  … and 4 more.")
        assert lines[1].startswith(f"  {tmp_path}/a.csv, line 4: ")
        assert encode_examples(task, "train", cache=cache, most_bad=0.875).rows.tolist() == [0, 1]


def test_a_damaged_row_is_named_by_its_place_where_there_is_an_id(tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", ["k7,x", "broken"])
    (task,) = made(replace(REVIEWS, data={"train": "a.csv"}, folder=tmp_path, id="text", output=Text("label")))
    assert task.examples["train"][0].id == "k7"
    assert encode_examples(task, "train", most_bad=1.0).bad[0].startswith(f"{tmp_path}/a.csv, line 3: This line has 1")
