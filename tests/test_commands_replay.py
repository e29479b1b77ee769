"""The tables of `multimodel replay`."""

from __future__ import annotations

import io

from rich.console import Console

from multimodel.commands.replay import examples_table, incidents_table
from multimodel.training.blame import Blame
from multimodel.training.incidents import Incident
from multimodel.training.replay import Replayed


def test_letters_that_mean_something_to_a_terminal_are_printed() -> None:
    details = {"examples": [{"id": "a[/b].jpg"}]}
    incident = Incident(step=1, kind="skipped", task="caption", what="a[/b].jpg is odd", details=details)
    blamed = Blame(layer="encoder", losses=(1.0,), norms=(1.0,), gates=(0.5,))
    file = io.StringIO()
    found = Replayed(incident=incident, loss=1.0, norm=1.0, blame=blamed)
    for table in (incidents_table([incident]), examples_table(found)):
        Console(file=file, width=120).print(table)
    assert file.getvalue().count("a[/b].jpg") == 2
