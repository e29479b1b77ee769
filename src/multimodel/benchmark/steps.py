"""Training steps on real data: each task by itself, and the mixture of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from rich.console import Console

from multimodel.batch import Batch
from multimodel.benchmark.models import training_steps
from multimodel.benchmark.results import Case, Figure, Part, Row
from multimodel.benchmark.setting import Setting, plain
from multimodel.benchmark.timing import Way, in_turn
from multimodel.tasks.mini8 import NAMES, declarations
from multimodel.training.train import make_streams, make_trainer, start_run
from multimodel.training.trainer import Trainer, padding

MIXTURE = "mixture"


def mini8_trainer(setting: Setting) -> Trainer:
    """A run of the preset on mini8, before its first step; raises `InputError` where mini8 is not built."""
    config = start_run(setting.whole, setting.preset, declarations(setting.data_folder, settings=setting.whole.data))
    return make_trainer(config, make_streams(config, Console(quiet=True)), None, setting.device)


def first_batches(trainer: Trainer, task: str, count: int) -> list[Batch]:
    """The first batches that a task, or the mixture, trains on."""
    if task == MIXTURE:
        return [batch for step in range(count) for batch in trainer.next_batches([trainer.mixture.choose(step)])[1]]
    return [trainer.streams[task].batch(position).to(trainer.device) for position in range(max(1, count // 4))]


def exact(trainer: Trainer, way: Way) -> Way:
    """The same, products in float32."""

    def inside() -> None:
        settings = trainer.settings
        trainer.settings = replace(settings, precision="float32")
        try:
            way()
        finally:
            trainer.settings = settings

    return inside


def measure(setting: Setting, load: Callable[[], Trainer], task: str) -> list[Row]:
    """One task."""
    trainer = load()
    batches = first_batches(trainer, task, setting.scale.steps)
    way = training_steps(trainer, batches)
    ways = {"ours": way, "plain": plain(way), "float32": exact(trainer, way)}
    times = in_turn(ways, setting.rounds, setting.device)
    figures: dict[str, Figure] = {
        "ms a step": times.milliseconds("ours", len(batches)),
        "target symbols/s": times.speed("ours", sum(batch.symbols for batch in batches)),
        "plain ÷ ours": times.ratio("plain", "ours"),
        "plain ÷ float32": times.ratio("plain", "float32"),
        "padding, %": 100 * padding(batches),
    }
    return [Row(task, figures)]


def cases(setting: Setting) -> list[Case]:
    """All tasks and their mixture, on one model."""
    load = cache(partial(mini8_trainer, setting))
    return [Case(task, partial(measure, setting, load, task)) for task in (*NAMES, MIXTURE)]


PART = Part(
    title="Training steps",
    about="Whole steps (forward, backward, clipping, Adam) on the first batches of mini8's tasks, in the preset's "
    "precision; data are read beforehand, and every batch was trained on in the warm-up. plain ÷ ours is time "
    "without the fast paths over time with them; plain ÷ float32 is the same with `--precision float32`.",
    drawn="plain ÷ ours",
    cases=cases,
)
