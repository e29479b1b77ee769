"""All parts, one after another: shown as they go, and written even where Ctrl-C ends them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from multimodel.benchmark import (
    against_floors,
    comparison,
    decoding,
    depthwise,
    memory,
    operators,
    processes,
    rates,
    startup,
    steps,
)
from multimodel.benchmark.chart import chart
from multimodel.benchmark.machine import conditions
from multimodel.benchmark.page import HEAD, MARK, page
from multimodel.benchmark.results import Case, Part, Result, load, save
from multimodel.benchmark.setting import SEED, Setting
from multimodel.errors import InputError

INTERRUPTED = "It was interrupted: there is more to measure."
PARTS: Mapping[str, Part] = {
    "rates": rates.PART,
    "blocks": against_floors.PART,
    "depthwise": depthwise.PART,
    "steps": steps.PART,
    "processes": processes.PART,
    "decoding": decoding.PART,
    "transformer": comparison.PART,
    "memory": memory.PART,
    "operators": operators.PART,
    "startup": startup.PART,
}


def benchmark(setting: Setting, names: Sequence[str], command: str, out: Path, markdown: Path) -> None:
    """Measure parts; write OUT/bench.json, a chart for each part in OUT, and the page.

    What OUT/bench.json has of other parts stays, so that parts can be measured one by one; so does what it has of one
    that this time was left out or not measured to its end.
    """
    about, before = conditions(setting, command), load(out / "bench.json")
    results = {name: PARTS[name].started(about) for name in names}
    ended: list[str] = []
    try:
        for name in measure(setting, results, Console(stderr=True)):
            ended.append(name)
    finally:
        found = merged(before, results, ended)
        write({name: found[name] for name in PARTS if name in found}, out, markdown)


def merged(before: Mapping[str, Result], results: Mapping[str, Result], ended: Sequence[str]) -> dict[str, Result]:
    """Each part as it was measured to its end, else as it was before, else as far as it came."""
    whole = {name: results[name] for name in ended}
    parts = {name: replace(result, left_out=INTERRUPTED) for name, result in results.items() if result.rows}
    return parts | whole | dict(before) | {name: result for name, result in whole.items() if not result.left_out}


def measure(setting: Setting, results: Mapping[str, Result], console: Console) -> Iterator[str]:
    """Fill the results, case by case; the name of each part at its end."""
    cases = {name: PARTS[name].cases(setting) for name in results}
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with bar:
        task = bar.add_task("starting", total=sum(map(len, cases.values())))
        for name, result in results.items():
            for case in cases[name]:
                bar.update(task, description=f"{name}: {case.name}")
                if not console.is_terminal:
                    console.print(f"{name}: {case.name}", highlight=False, soft_wrap=True)
                add(case, result)
                bar.advance(task)
            yield name


def add(case: Case, result: Result) -> None:
    """Measure a case, unless its part was left out already."""
    if result.left_out:
        return
    torch.manual_seed(SEED)
    try:
        result.rows.extend(case.measure())
    except InputError as error:
        result.left_out = str(error)


def write(results: Mapping[str, Result], out: Path, markdown: Path) -> None:
    """JSON, charts and page; what stands above the mark of a page that exists stays."""
    out.mkdir(parents=True, exist_ok=True)
    markdown.parent.mkdir(parents=True, exist_ok=True)
    save(out / "bench.json", results)
    charts = {name: os.path.relpath(path, markdown.parent) for name, path in write_charts(results, out)}
    head = markdown.read_text(encoding="utf-8").partition(MARK)[0] if markdown.exists() else HEAD
    markdown.write_text(head + MARK + page(results, charts), encoding="utf-8")


def write_charts(results: Mapping[str, Result], out: Path) -> Iterator[tuple[str, Path]]:
    """An SVG file for each part that has ratios."""
    for name, result in results.items():
        if drawing := chart(result):
            path = out / f"{name}.svg"
            path.write_text(drawing.standalone() + "\n", encoding="utf-8")
            yield name, path
