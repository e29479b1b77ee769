"""Samples of a report: whatever kind of data a task reads is shown."""

from dataclasses import replace

import pytest
from toy import toy_tasks

from multimodel.batch import Net
from multimodel.evaluation.evaluate import Sample
from multimodel.report.samples import card
from multimodel.tasks.text import Text


class Series(Text):
    """A feature of a kind that the report does not know."""

    @property
    def spec(self) -> Net:
        return Net(kind="series", size=3)


@pytest.mark.parametrize(("kind", "raw"), [(Text, "a cat"), (Series, [1, 2])])
def test_inputs_of_any_kind_are_shown(kind: type[Text], raw: object) -> None:
    vocabulary, tasks = toy_tasks()
    known = next(task for task in tasks if task.name == "en-de")
    task = replace(known, input=kind(vocabulary=vocabulary, max_length=40))
    shown = str(card(task, Sample(id="1", row=0, output="eins", answer="zwei"), raw, missing="gone"))
    assert str(raw) in shown
    assert "gone" not in shown
