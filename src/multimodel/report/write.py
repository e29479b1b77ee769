"""From a run folder to its report, and to pictures of its charts."""

from __future__ import annotations

import os
from pathlib import Path

from multimodel.report.charts import expert_charts, training_charts
from multimodel.report.inputs import load_inputs
from multimodel.report.page import page
from multimodel.report.record import read_record
from multimodel.training.kinds import KINDS, Kinds

REPORT = "report.html"


def write_report(run: Path, data_folder: Path | None = None, kinds: Kinds = KINDS) -> Path:
    """Write RUN/report.html, one self-contained file, whole or not at all; its path.

    The samples' inputs are read from `data_folder`, or from where the run had its data; `kinds` are the kinds of data
    that its tasks may have. Raises `InputError` if `run`
    is no run, was not evaluated yet or has a damaged evaluation, and if the folder that was named holds no data.
    """
    record = read_record(run, kinds)
    text = page(record, load_inputs(record, data_folder))
    part = run / f".{REPORT}.part"
    part.write_text(text, encoding="utf-8")
    os.replace(part, run / REPORT)
    return run / REPORT


def write_pictures(run: Path, folder: Path, kinds: Kinds = KINDS) -> list[Path]:
    """Write each chart of the report as an SVG file of its own, and tell the paths; same errors as `write_report`."""
    record = read_record(run, kinds)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, drawing in {**training_charts(record), **expert_charts(record)}.items():
        paths.append(folder / f"{name}.svg")
        paths[-1].write_text(drawing.standalone() + "\n", encoding="utf-8")
    return paths
