from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy import SIZES, toy_tasks

from multimodel.errors import InputError
from multimodel.metrics.bracketing import tree_measure
from multimodel.tasks.check import check_task
from multimodel.tasks.encoded import encode_examples, shuffled_inputs
from multimodel.tasks.task import Example
from multimodel.tasks.text import Text
from multimodel.trees import from_symbols, write_tree

VOCABULARY, TASKS = toy_tasks()
BY_NAME = {task.name: task for task in TASKS}
SPEECH = BY_NAME["speech"]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_example_is_encoded_in_order(task: object) -> None:
    encoded = encode_examples(task, "train")
    assert encoded.rows.tolist() == list(range(SIZES["train"]))
    assert len(encoded) == SIZES["train"]
    assert encoded.too_long == 0
    for row, example in enumerate(task.examples["train"]):
        output = task.output.encode(example.output)
        np.testing.assert_array_equal(encoded.inputs[row], task.input.encode(example.input))
        np.testing.assert_array_equal(encoded.outputs[row], output)
        assert encoded.output_lengths[row] == len(output)


def test_what_is_too_long_is_left_out_and_counted() -> None:
    lengths = encode_examples(SPEECH, "train").output_lengths
    limit = int(np.median(lengths))
    task = replace(SPEECH, output=Text(vocabulary=VOCABULARY, max_length=limit))
    encoded = encode_examples(task, "train")
    kept = np.flatnonzero(lengths <= limit).tolist()
    assert 0 < len(kept) < SIZES["train"]
    assert encoded.rows.tolist() == kept
    assert encoded.too_long == SIZES["train"] - len(kept)


def test_only_the_first_examples_are_encoded_up_to_a_limit() -> None:
    assert len(encode_examples(SPEECH, "dev", limit=3)) == 3


def test_a_split_without_examples_is_refused() -> None:
    with pytest.raises(InputError, match="no extra examples"):
        encode_examples(SPEECH, "extra")
    with pytest.raises(InputError, match="longer than its limits"):
        encode_examples(replace(BY_NAME["parse"], input=Text(vocabulary=VOCABULARY, max_length=1)), "dev")


def test_a_damaged_example_is_named() -> None:
    good = SPEECH.examples["dev"][0]
    task = replace(SPEECH, examples={"dev": [good] * 40 + [Example("broken-7", b"no sound", "one"), good]})
    with pytest.raises(InputError, match=r"1 of 42 examples .*\n  example broken-7: .* not an audio file"):
        encode_examples(task, "dev", most_bad=1 / 43)
    encoded = encode_examples(task, "dev", most_bad=1 / 42)
    assert encoded.rows.tolist() == [row for row in range(42) if row != 40]
    assert encoded.bad == ("example broken-7: The recording is not an audio file: give WAV, FLAC, MP3 or Ogg.",)


TREE = "(S (NP (DT the) (NN fox)) (VP (VBZ sees) (NP-1 (-NONE- *))) (. .))"
PAIRS = [
    ("the fox sees .", TREE, ""),
    ("the fox sees * .", TREE, ""),
    ("-LRB- the )", "(NP (-LRB- -LRB-) (DT the) (-RRB- -RRB-))", ""),
    ("the fox sees.", TREE, "has the word 'sees' where the text has the word 'sees.'"),
    ("the fox sees . .", TREE, "has no more words where the text has the word '.'"),
    ("the fox", TREE, "has the word 'sees' where the text has no more words: give the text as the words"),
]


def test_a_tree_over_other_words_than_its_text_is_a_bad_row_by_name() -> None:
    examples = [Example(str(number), *pair[:2]) for number, pair in enumerate(PAIRS)]
    task = replace(BY_NAME["parse"], examples={"train": examples})
    encoded = encode_examples(task, "train", most_bad=0.5)
    assert encoded.rows.tolist() == [0, 1, 2]
    for number, (_, _, why) in enumerate(PAIRS[3:], 3):
        assert encoded.bad[number - 3].startswith(f"example {number}: The tree has ")
        assert why in encoded.bad[number - 3]
    checked = check_task(task).splits["train"]
    assert (checked.usable, [row.where for row in checked.bad]) == (3, ["example 3", "example 4", "example 5"])


@pytest.mark.parametrize("written", ["", "(S DT NN -NONE- -NONE- )S", "(NP DT NN )NP -NONE- VBZ ."])
def test_any_answer_over_the_words_of_a_good_row_can_be_scored(written: str) -> None:
    for text, tree, why in PAIRS:
        if not why:
            answer = write_tree(from_symbols(written.split(), text.split()))
            assert 0 <= tree_measure([answer], [tree])["f1"] <= 1


@pytest.mark.parametrize("name", ["speech", "imageclass"])
def test_what_was_encoded_comes_back_from_disk_unchanged(tmp_path: Path, name: str) -> None:
    first = encode_examples(BY_NAME[name], "dev", cache=tmp_path)
    files = sorted(tmp_path.iterdir())
    times = [file.stat().st_mtime_ns for file in files]
    second = encode_examples(BY_NAME[name], "dev", cache=tmp_path)
    assert len(files) == 3
    assert [file.stat().st_mtime_ns for file in sorted(tmp_path.iterdir())] == times
    for made, read in zip([*first.inputs, *first.outputs], [*second.inputs, *second.outputs], strict=True):
        np.testing.assert_array_equal(made, read)
    np.testing.assert_array_equal(first.input_costs, second.input_costs)
    np.testing.assert_array_equal(first.rows, second.rows)


def test_other_settings_or_other_sound_are_encoded_anew(tmp_path: Path) -> None:
    encode_examples(SPEECH, "dev", cache=tmp_path)
    encode_examples(replace(SPEECH, input=replace(SPEECH.input, bins=4)), "dev", cache=tmp_path)
    first, second = SPEECH.examples["dev"][:2]
    swapped = [first._replace(input=second.input), second._replace(input=first.input)]
    other = encode_examples(replace(SPEECH, examples={"dev": swapped}), "dev", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 9
    np.testing.assert_array_equal(other.inputs[0], SPEECH.input.encode(second.input))


@pytest.mark.parametrize("kind", ["inputs", "outputs", "index.npz"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY garbage"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, kind: str, content: bytes) -> None:
    whole = encode_examples(SPEECH, "dev", cache=tmp_path)
    file = next(tmp_path.glob(f"*.{kind}"))
    file.unlink()  # the arrays above stay mapped to it
    file.write_bytes(content)
    again = encode_examples(SPEECH, "dev", cache=tmp_path)
    np.testing.assert_array_equal(whole.inputs[-1], again.inputs[-1])


def test_shuffled_inputs_come_from_other_examples_and_outputs_stay() -> None:
    encoded = encode_examples(SPEECH, "train")
    shuffled = shuffled_inputs(encoded, seed=3)
    position = {int(start): row for row, start in enumerate(encoded.inputs.starts)}
    partners = [position[int(start)] for start in shuffled.inputs.starts]
    assert sorted(partners) == list(range(len(encoded)))
    assert all(partner != row for row, partner in enumerate(partners))
    assert shuffled.outputs is encoded.outputs
    np.testing.assert_array_equal(shuffled.input_costs, [SPEECH.input.cost(array) for array in shuffled.inputs])
    np.testing.assert_array_equal(shuffled_inputs(encoded, seed=3).inputs.starts, shuffled.inputs.starts)


def test_one_example_cannot_be_shuffled() -> None:
    with pytest.raises(InputError, match="at least two"):
        shuffled_inputs(encode_examples(SPEECH, "dev", limit=1), seed=0)
