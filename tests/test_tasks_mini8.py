from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from pandas import DataFrame
from runs import write_mini8
from toy import SIZES, toy_tasks

from multimodel.errors import InputError
from multimodel.tasks.columns import Text, Tree
from multimodel.tasks.declaration import Declaration, declaration_from_json
from multimodel.tasks.encoded import encode_examples
from multimodel.tasks.mini8 import BUILD, NAMES, declarations, declares_mini8, read_tasks
from multimodel.tasks.settings import DataSettings
from multimodel.tasks.task import Task, nets
from multimodel.tasks.vocabulary import Vocabulary

SETTINGS = DataSettings(vocabulary=400, class_side=16, caption_side=16)
FILES = ("speech", "imageclass", "caption", "parse", "en-de", "en-fr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_mini8(tmp_path)


def read(
    folder: Path, names: Sequence[str] = NAMES, vocabulary: Vocabulary | None = None
) -> tuple[Vocabulary, tuple[Task, ...]]:
    return read_tasks(declarations(folder, names, SETTINGS), SETTINGS, vocabulary)


def test_all_eight_tasks_are_read(folder: Path) -> None:
    vocabulary, tasks = read(folder)
    assert [task.name for task in tasks] == list(NAMES)
    assert set(nets(tasks)) == {"speech", "text", "image", "fashion"}
    for task, toy in zip(tasks, toy_tasks()[1], strict=True):
        assert (task.command, task.measure) == (toy.command, toy.measure)
        assert {split: sorted(examples) for split, examples in task.examples.items()} == {
            split: sorted(examples) for split, examples in toy.examples.items()
        }
        assert len(encode_examples(task, "train")) == SIZES["train"]
    assert vocabulary.size == 400


def test_the_vocabulary_does_not_depend_on_the_tasks_asked_for(folder: Path) -> None:
    everything, _ = read(folder)
    one, tasks = read(folder, ["parse"])
    assert one.sha256 == everything.sha256
    assert [task.name for task in tasks] == ["parse"]


def test_the_vocabulary_knows_nothing_of_dev_and_test(folder: Path) -> None:
    before, _ = read(folder, ["parse"])
    rows = parquet.read_table(folder / "caption.parquet").to_pylist()
    changed = [row | {"text": "zebra zebra zebra" if row["split"] != "train" else row["text"]} for row in rows]
    parquet.write_table(arrow.Table.from_pylist(changed), folder / "caption.parquet")
    assert read(folder, ["parse"])[0].sha256 == before.sha256


def test_a_given_vocabulary_is_used(folder: Path) -> None:
    vocabulary, _ = toy_tasks()
    found, tasks = read(folder, ["en-de"], vocabulary)
    assert found is vocabulary
    assert tasks[0].input.spec.size == vocabulary.size


def test_reversed_translation_tasks_share_their_splits(folder: Path) -> None:
    _, tasks = read(folder, ["en-fr", "fr-en"])
    for split in SIZES:
        there, back = (task.examples[split] for task in tasks)
        assert [(one.id, one.input, one.output) for one in there] == [(one.id, one.output, one.input) for one in back]


def test_a_task_is_mini8s_by_what_it_reads_whatever_its_hint_and_its_options(folder: Path) -> None:
    for one in declarations(folder, settings=SETTINGS):
        kept = declaration_from_json(one.to_json())
        for alike in (one, kept, replace(kept, hint="", rate=0.5, limit=3, folder=folder / "elsewhere")):
            assert declares_mini8(alike)
        for other in ({"name": "mine"}, {"data": "mine.parquet"}, {"data": DataFrame(), "id": None}, {"split": None}):
            assert not declares_mini8(replace(one, **other))
    own = Declaration(name="parse", data="parse.parquet", input=Text("text"), output=Tree("tree"), hint=BUILD)
    assert not declares_mini8(own)


def test_an_unknown_task_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="choose from speech, imageclass"):
        read(folder, ["smell"])


@pytest.mark.parametrize("file", [*(f"{file}.parquet" for file in FILES), "mini8.json"])
def test_missing_and_damaged_files_say_how_to_make_them(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"no data")
    with pytest.raises(InputError, match=f"{file} is damaged .*multimodel data build mini8"):
        read(folder)
    (folder / file).unlink()
    with pytest.raises(InputError, match=f"{file} does not exist.*multimodel data build mini8"):
        read(folder)


def test_a_missing_folder_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="multimodel data build mini8"):
        read(tmp_path / "none")


def test_a_tree_that_cannot_be_read_is_named(folder: Path) -> None:
    rows = parquet.read_table(folder / "parse.parquet").to_pylist()
    rows[1] |= {"id": "bent-1", "tree": "(S (: :-() (NN fox))"}
    parquet.write_table(arrow.Table.from_pylist(rows), folder / "parse.parquet")
    _, tasks = read(folder, ["parse"], toy_tasks()[0])
    with pytest.raises(InputError, match=r"parse train: 1 of .*\n.*example bent-1: This is not a bracketed tree"):
        encode_examples(tasks[0], "train")
