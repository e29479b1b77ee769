import json
from dataclasses import replace

import pytest
from toy import SIZES, toy_tasks

from multimodel.batch import Net, Route
from multimodel.errors import InputError
from multimodel.tasks.image import Image
from multimodel.tasks.task import nets, task_from_json

VOCABULARY, TASKS = toy_tasks()
BY_NAME = {task.name: task for task in TASKS}


def test_the_toy_has_all_eight_tasks_in_all_splits() -> None:
    assert list(BY_NAME) == ["speech", "imageclass", "caption", "parse", "en-de", "de-en", "en-fr", "fr-en"]
    for task in TASKS:
        assert {split: len(examples) for split, examples in task.examples.items()} == SIZES


def test_tasks_of_one_kind_of_data_share_one_net() -> None:
    assert nets(TASKS) == {
        "speech": Net(kind="spectrogram", size=8),
        "text": Net(kind="text", size=VOCABULARY.size),
        "image": Net(kind="image", size=3),
        "fashion": Net(kind="category", size=4),
    }


def test_a_route_names_both_nets_and_the_command() -> None:
    assert BY_NAME["caption"].route == Route(bottom="image", top="text", command="to-caption")


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two tasks named speech"):
        nets([*TASKS, BY_NAME["speech"]])


def test_unlike_nets_of_one_name_are_refused() -> None:
    other = replace(BY_NAME["caption"], input=Image(height=8, width=8, net="speech"))
    with pytest.raises(InputError, match="Task caption wants the net 'speech'"):
        nets([BY_NAME["speech"], other])


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_survives_json_but_for_its_examples(task: object) -> None:
    rebuilt = task_from_json(json.loads(json.dumps(task.to_json())), VOCABULARY)
    assert rebuilt == task
    assert not rebuilt.examples


@pytest.mark.parametrize("change", [{"measure": "beauty"}, {"rate": 0.0}, {"colour": "red"}, {"input": {}}])
def test_wrong_settings_of_a_task_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        task_from_json({**TASKS[0].to_json(), **change}, VOCABULARY)


def test_reversed_translation_tasks_share_their_splits() -> None:
    for there, back in (("en-de", "de-en"), ("en-fr", "fr-en")):
        for split in SIZES:
            pairs = [(example.id, example.input, example.output) for example in BY_NAME[there].examples[split]]
            assert pairs == [(example.id, example.output, example.input) for example in BY_NAME[back].examples[split]]
