"""Runs to report on, with made-up scores, and their pages as a reader meets them."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from runs import found_in, toy_config, toy_trainer

from multimodel.evaluation.evaluate import Sample, TaskEvaluation, TeacherForced, write_evaluation
from multimodel.metrics import PRIMARY
from multimodel.report import write_report
from multimodel.report.record import read_record
from multimodel.tasks.task import TEST, Task
from multimodel.training.checkpoint import save
from multimodel.training.run_config import RunConfig
from multimodel.training.trainer import StepReport

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The elements of a page in order, their texts, and whether all were closed where they should be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name in names]


def step(number: int, task: str, **changes: float) -> StepReport:
    report = StepReport(
        step=number,
        rank=0,
        task=task,
        position=0,
        drawn="00",
        skipped="",
        loss=5.0 - number / 10,
        balance=0.1,
        gradient_norm=1.0,
        learning_rate=1e-3,
        examples=4,
        symbols=20,
        padding=0.25,
        seconds=0.5,
        waiting=0.1,
        busiest_expert=0.5,
    )
    return dataclasses.replace(report, **changes)


def evaluation(task: Task, experts: Sequence[Sequence[float]]) -> TaskEvaluation:
    """Made-up scores; the answers are the references, but for the first."""
    examples = task.examples[TEST][:3]
    answers = [task.examples[TEST][4].output] + [example.output for example in examples[1:]]
    measured = {PRIMARY[task.measure][0]: 0.25}
    return TaskEvaluation(
        task=task.name,
        split=TEST,
        measure=task.measure,
        examples=8,
        left_out=0,
        teacher_forced=TeacherForced(
            log_perplexity=1.234,
            accuracy=0.5,
            shuffled_log_perplexity=2.345,
            shuffled_accuracy=0.2,
            gap=1.111,
            gap_error=0.01,
            learned=task.name != "speech",
            experts=tuple(tuple(layer) for layer in experts),
        ),
        baselines={"unigram_log_perplexity": 4.0},
        decoded=3,
        beams=1,
        measures=measured,
        shuffled_measures=dict.fromkeys(measured, 0.1),
        baseline_measures={},
        signatures={},
        samples=tuple(
            Sample(id=example.id, row=row, output=example.output, answer=answer)
            for row, (example, answer) in enumerate(zip(examples, answers, strict=True))
        ),
        seconds=1.0,
    )


def evaluations(config: RunConfig) -> list[TaskEvaluation]:
    """As in a real run, the task that writes classes does not pass the decoder's experts."""
    found = []
    for number, task in enumerate(config.tasks):
        shares = np.roll([0.7, 0.2, 0.1, 0.0], number).tolist()
        found.append(evaluation(task, [shares] if task.measure == "class" else [shares, [0.25] * 4]))
    return found


def about(config: RunConfig, steps: int = 16) -> dict[str, object]:
    settings = {"split": "test", "examples": 64, "decode": 16, "beams": 1, "seed": 0}
    return {
        "preset": config.preset,
        "steps": steps,
        "training_minutes": 2.5,
        "settings": settings,
        "machine": "an abacus",
    }


def write_run(folder: Path, names: Sequence[str] = ()) -> RunConfig:
    """A run folder as training and evaluation leave it, with weights that were never trained."""
    config = found_in(toy_config(names), folder / "mini8")
    trainer = toy_trainer(config)
    save(folder, config, trainer.model, trainer.optimiser, trainer.state)
    tasks = [task.name for task in config.tasks]
    lines = [json.dumps(asdict(step(number + 1, tasks[number % len(tasks)]))) for number in range(16)]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_evaluation(folder / "evaluation.json", evaluations(config), about(config))
    return config


def change(run: Path, alter: Callable[[list[TaskEvaluation]], list[TaskEvaluation]]) -> Page:
    """The page after the evaluations were altered."""
    record = read_record(run)
    write_evaluation(run / "evaluation.json", alter(list(record.evaluations)), record.about)
    return Page(write_report(run))
