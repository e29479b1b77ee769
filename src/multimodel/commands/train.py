"""`multimodel train PRESET --out RUN`: train on a mixture of tasks, or go on with a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from multimodel.build import Sizes
from multimodel.folders import mini8_folder
from multimodel.presets import PRESETS, Preset
from multimodel.tasks.errors import InputError
from multimodel.tasks.mini8 import NAMES
from multimodel.tasks.mini8 import Settings as DataSettings
from multimodel.training import checkpoint
from multimodel.training.settings import TrainingSettings
from multimodel.training.train import resume_run, start_run, train


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train one model on several tasks. A preset sets everything; any of it can be overruled by an option."""

    preset: Positional[str]
    """tiny, quickstart, base or paper."""
    out: Path
    """Folder of the run: checkpoints, logs."""
    tasks: tuple[str, ...] = NAMES
    """Tasks to train on, by name, with spaces or commas between."""
    data_folder: Path = field(default_factory=mini8_folder)
    """Folder of the built mini8."""
    resume: bool = False
    """Go on with the run in --out, with its own settings where no option overrules them."""
    training: Annotated[TrainingSettings, arg(prefix_name=False)]
    model: Sizes
    data: DataSettings


def main(arguments: Sequence[str]) -> None:
    """Parse, with the preset's or the resumed run's values as defaults, and train."""
    command = tyro.cli(Train, args=arguments, prog="multimodel train", default=defaults(arguments))
    if command.resume:
        config = resume_run(command.out, command.training)
    else:
        preset = Preset(model=command.model, data=command.data, training=command.training)
        config = start_run(preset, command.preset, command.data_folder, split_names(command.tasks))
    place = train(config, command.out, resume=command.resume)
    print(f"Trained: {place}")


def defaults(arguments: Sequence[str]) -> Train:
    """What holds where no option says otherwise."""
    name = next((word for word in arguments if not word.startswith("-")), "quickstart")
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}: choose from {', '.join(PRESETS)}.")
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments[:-1] else None
    known = checkpoint.load_config(checkpoint.latest(out)) if "--resume" in arguments and out else PRESETS[name]
    return Train(
        preset=tyro.MISSING,
        out=tyro.MISSING,
        training=known.training,
        model=known.model,
        data=known.data,
    )


def split_names(words: Sequence[str]) -> list[str]:
    """Names given with spaces or commas between."""
    return [name for word in words for name in word.split(",") if name]
