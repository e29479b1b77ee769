from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import toy_config

from multimodel.batch import Net
from multimodel.build import build_model
from multimodel.cli import main
from multimodel.commands.presets import meta_model
from multimodel.errors import InputError
from multimodel.layers.experts import MixtureOfExperts
from multimodel.parameters import active_parameters, parameters
from multimodel.presets import PRESETS
from multimodel.tasks.task import nets
from multimodel.training.memory import WAYS


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_without_memory(name: str) -> None:
    model = meta_model(PRESETS[name])
    assert {value.device.type for value in model.parameters()} == {"meta"}
    active = active_parameters(model, PRESETS[name].model.experts_used)
    assert 0 < active < parameters(model)


def test_the_paper_has_240_experts_of_which_4_are_used_and_a_width_of_1024() -> None:
    model = meta_model(PRESETS["paper"])
    mixtures = [module for module in model.modules() if type(module) is MixtureOfExperts]
    assert len(mixtures) == 2
    for mixture in mixtures:
        assert (mixture.hidden.shape[:2], mixture.gate.used) == ((240, 1024), 4)
    assert len(model.nets["speech"].stack.blocks) == 8
    assert PRESETS["paper"].model.audio_strided == 8


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 0}, "must all be above 0"),
        ({"experts": -1}, "must all be above 0"),
        ({"audio_channels": ()}, "must all be above 0"),
        ({"image_channels": (16, 0, 16, 16)}, "must all be above 0"),
        ({"width": 15, "heads": 3}, "must be even"),
        ({"heads": 3}, "a multiple of the heads"),
        ({"experts_used": 9}, "Of 4 experts 9 cannot be used"),
        ({"audio_channels": (4, 8), "audio_strided": 3}, "Of 2 audio blocks 3 cannot stride"),
        ({"audio_strided": -1}, "blocks -1 cannot stride"),
        ({"dropout": 1.0}, "from 0 to below 1"),
    ],
)
def test_sizes_that_make_no_model_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        replace(PRESETS["tiny"].model, **changes)


def test_presets_are_in_order_of_size() -> None:
    counts = [parameters(meta_model(preset)) for preset in PRESETS.values()]
    assert counts == sorted(counts)
    assert list(PRESETS) == ["tiny", "quickstart", "base", "paper"]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_budget(name: str) -> None:
    training = PRESETS[name].training
    assert training.steps or training.minutes


def test_the_presets_nets_are_those_of_the_eight_tasks() -> None:
    model = meta_model(PRESETS["tiny"])
    config = toy_config()
    assert set(model.nets) == set(nets(config.tasks))
    assert set(model.commands) == set(config.commands)


def test_the_active_count_is_one_row_of_the_embedding_and_k_of_the_experts() -> None:
    sizes = PRESETS["tiny"].model
    vocabulary, width, experts = 100, sizes.width, sizes.experts
    with torch.device("meta"):
        model = build_model(sizes, {"text": Net(kind="text", size=vocabulary)}, ("to-german",))
    unused = 2 * (experts - sizes.experts_used) * 2 * width * sizes.expert_width  # two layers, two matrices an expert
    expected = parameters(model) - width - (vocabulary - 1) * width - unused  # less the command and the other rows
    assert active_parameters(model, sizes.experts_used) == expected


def test_the_command_prints_a_row_for_each_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, preset in PRESETS.items():
        row = cells(next(line for line in lines if f" {name} " in line))
        assert row[1:4] == [str(preset.model.width), str(preset.model.experts), str(preset.model.experts_used)]
        assert row[4] == f"{parameters(meta_model(preset)):,}"


def test_devices_print_memory_traffic_and_batches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--preset", "tiny", "--devices", "1", "2"]) == 0
    rows = [cells(line) for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [row[:2] for row in rows[:6]] == [[count, way] for count in "12" for way in ("DDP", "FSDP2", "experts")]
    assert [row[0] for row in rows[6:8]] == ["1", "2"]
    assert rows[6][1:] == ["0"] * 3
    assert [row[:2] for row in rows[8:]] == [
        ["speech", "1"],
        ["imageclass", "8"],
        ["caption", "2"],
        ["parse", "1"],
        ["translation", "2"],
    ]


def test_the_page_on_scale_has_the_numbers_of_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parent.parent / "docs" / "scale.md").read_text(encoding="utf-8").replace(" any ", " DDP ")
    told = numeric([cells(line, "|") for line in page.splitlines() if line.startswith("|")])
    assert main(["presets", "--preset", "paper", "--devices", "1", "2", "8", "64", "240", "1024"]) == 0
    printed = numeric([cells(line) for line in capsys.readouterr().out.splitlines() if line.startswith("│")])
    assert len(told) == 10 + 5 + 5
    assert [row for row in told if row not in printed] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--devices", "0"], "The numbers of --devices must be above 0."),
        (["--preset", "huge", "--devices", "2"], "There is no preset 'huge'"),
    ],
)
def test_devices_that_there_cannot_be_are_refused(
    words: Sequence[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["presets", *words]) == 2
    assert sentence in capsys.readouterr().err


def cells(line: str, border: str = "│") -> list[str]:
    return [cell.strip() for cell in line.strip(f"{border} ").split(border)]


def numeric(rows: Sequence[Sequence[str]]) -> list[tuple[str | float, ...]]:
    """The rows of numbers after one or two words."""
    found: list[tuple[str | float, ...]] = []
    for row in rows:
        words = 2 if row[1] in WAYS else 1
        with suppress(ValueError):
            found.append((*row[:words], *(float(cell.replace(",", "")) for cell in row[words:])))
    return found
