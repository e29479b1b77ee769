from collections.abc import Sequence
from dataclasses import replace
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


def cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip("│ ").split("│")]
