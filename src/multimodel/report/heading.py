"""The top of a report: which run this is, how large, how long, on what machine, and by which commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from multimodel.report.command_lines import command_lines
from multimodel.report.markup import Markup, element, joined
from multimodel.report.record import Record
from multimodel.training.run_config import RunConfig


def heading(record: Record) -> Markup:
    """Name, facts, commands and settings."""
    config = record.config
    tasks = f"{len(record.tasks)} tasks" if len(record.tasks) > 1 else "the task"
    said = f"One MultiModel (preset {config.preset}) trained on {tasks}: {', '.join(record.tasks)}."
    listed = [joined(element("dt", name), element("dd", value)) for name, value in facts(record)]
    return joined(
        element("h1", f"Run {record.name}"),
        element("p", said),
        *newer_steps(record),
        element("dl", *(element("div", fact) for fact in listed), class_="facts"),
        element("h3", "Commands"),
        element("pre", element("code", "\n".join(command_lines(record)))),
        settings(config),
    )


def facts(record: Record) -> list[tuple[str, str]]:
    """What was evaluated, in numbers; symbols count the steps up to the evaluated one."""
    evaluated = int(record.about.get("steps", 0))
    symbols = sum(report.symbols for report in record.steps if report.step <= evaluated)
    return [
        ("Steps", f"{evaluated:,}"),
        ("Minutes of training", f"{record.about.get('training_minutes', 0):,.1f}"),
        ("Target symbols trained on", f"{symbols:,}" if symbols else "unknown"),
        ("Parameters", f"{record.parameters:,}" if record.parameters else "unknown"),
        ("Evaluated on", str(record.about.get("machine", "unknown"))),
    ]


def newer_steps(record: Record) -> list[Markup]:
    """A warning where the run went on after it was evaluated."""
    evaluated, last = record.about.get("steps", 0), max((report.step for report in record.steps), default=0)
    if last <= evaluated:
        return []
    note = f"The scores are those of step {evaluated:,}; the log goes on to step {last:,}."
    return [element("p", note, class_="note")]


def settings(config: RunConfig) -> Markup:
    """Every setting, folded away."""
    groups: Mapping[str, Mapping[str, Any]] = {
        "Model": asdict(config.model),
        "Training": asdict(config.training),
        "Data": asdict(config.data),
    }
    tables = [
        element("div", element("h4", name), element("table", element("tbody", *map(setting, values.items()))))
        for name, values in groups.items()
    ]
    return element("details", element("summary", "All settings"), element("div", *tables, class_="columns"))


def setting(item: tuple[str, Any]) -> Markup:
    """A row."""
    name, value = item
    written = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return element(
        "tr", element("th", name.replace("_", " "), scope="row"), element("td", "–" if value in (None, {}) else written)
    )
