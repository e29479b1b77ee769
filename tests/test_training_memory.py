"""Calculated memory and traffic against what torch really keeps, cuts and sends."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import soundfile
import tiny
import torch
import torch.distributed as distributed
from PIL import Image as Pillow
from torch.nn.parallel import DistributedDataParallel
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

from multimodel.build import build_model
from multimodel.commands.presets import eight_tasks, meta_model
from multimodel.layers.paths import plain_paths
from multimodel.layers.timing import timing_table
from multimodel.model import MultiModel
from multimodel.presets import PRESETS
from multimodel.tasks.audio import Spectrogram
from multimodel.tasks.image import Image
from multimodel.training.activations import longest, loss, without_memory, work
from multimodel.training.memory import (
    WAYS,
    checkpoint_bytes,
    expert_parameters,
    moved_by_expert,
    moved_replicated,
    moved_sharded,
    replicated,
    shard_size,
    sharded,
    unit_parameters,
    used,
)
from multimodel.training.settings import TrainingSettings
from multimodel.training.sharding import shard
from multimodel.training.trainer import make_optimiser

SETTINGS = TrainingSettings(steps=1)
TASKS = ("speech", "speech-raw", "imageclass", "caption", "en-de")


@contextmanager
def pretended(devices: int) -> Iterator[None]:
    """The first of so many processes, of which only this one exists: what is sent goes nowhere."""
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=devices)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def cut(model: MultiModel) -> MultiModel:
    """The model under FSDP2, in the units that are reckoned with."""
    shard(model)
    return model


class Sent(TorchDispatchMode):
    """Adds up the bytes that a ring's device sends: of gathers and of scatters, one part to each other device."""

    def __init__(self, devices: int) -> None:
        super().__init__()
        self.devices = devices
        self.bytes = 0

    def __torch_dispatch__(self, operator: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        if operator in (torch.ops.c10d._allgather_base_.default, torch.ops.c10d._reduce_scatter_base_.default):
            part = min(given[0], given[1], key=torch.Tensor.numel)
            self.bytes += part.nbytes * (self.devices - 1)
        return operator(*given, **named or {})


def test_weights_gradients_and_moments_are_those_of_a_real_step() -> None:
    preset = PRESETS["quickstart"]
    model = eight_tasks(preset)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser = make_optimiser(model, preset.training)
    optimiser.step()
    weights = sum(parameter.nbytes for parameter in model.parameters())
    moments = sum(value.nbytes for state in optimiser.state.values() for value in state.values())
    found = replicated(meta_model(preset), 1, "float32")
    assert (found.weights, found.gradients, found.moments) == (weights, weights, moments)
    assert (found.copies, found.working) == (0, 0)
    assert checkpoint_bytes(meta_model(preset)) == weights + moments


@pytest.mark.parametrize("task", TASKS)
def test_what_a_batch_keeps_is_what_autograd_really_keeps(task: str) -> None:
    real, batch = tiny.model().train(), tiny.batch(task)
    weights = {parameter.untyped_storage().data_ptr() for parameter in real.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return value

    with plain_paths(), torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        loss(real, batch, 0.1)
    expected = sum(storage.nbytes() for storage in kept.values())
    with without_memory():
        model = build_model(tiny.SIZES, tiny.NETS, tiny.COMMANDS).train()
        found = work(model, tiny.batch(task), SETTINGS)
    assert found.kept == expected
    assert expected > 0


def test_what_runs_without_memory_leaves_nothing_behind() -> None:
    batch = tiny.batch("en-de")
    before = tiny.model()(batch).logits.shape
    with without_memory():
        model = build_model(tiny.SIZES, tiny.NETS, tiny.COMMANDS)
        work(model, tiny.batch("en-de"), SETTINGS)
    assert timing_table.cache_info().currsize == 0
    after = tiny.model()(batch).logits
    assert type(after) is torch.Tensor
    assert after.shape == before


def test_rows_are_positions_times_the_experts_of_each() -> None:
    preset = PRESETS["tiny"]
    with without_memory():
        model = eight_tasks(preset)
        translation, classes = longest(preset.data)["translation"], longest(preset.data)["imageclass"]
        assert work(model, translation.batch(3), SETTINGS).rows == (3 * 128 * 2, 3 * 128 * 2)
        assert work(model, classes.batch(3), SETTINGS).rows == (3 * 2 * 2 * 2,)  # 28 pixels become 2 positions


@pytest.mark.parametrize("name", PRESETS)
def test_the_longest_examples_fill_the_budget_of_a_batch(name: str) -> None:
    preset = PRESETS[name]
    for example in longest(preset.data).values():
        examples, cost = example.examples(preset.training), example.input.cost + example.symbols
        assert examples == 1 or examples * cost <= preset.training.batch_cost
        assert examples == preset.training.batch_examples or (examples + 1) * cost > preset.training.batch_cost


def test_the_longest_examples_are_as_features_encode_them() -> None:
    data = PRESETS["tiny"].data
    found = longest(data)
    sound, picture = io.BytesIO(), io.BytesIO()
    soundfile.write(
        sound, np.ones(int(data.max_seconds * data.sample_rate), np.float32), data.sample_rate, "PCM_16", format="WAV"
    )
    Pillow.new("RGB", (100, 100)).save(picture, format="PNG")
    spectrogram = Spectrogram(sample_rate=data.sample_rate, bins=data.frequency_bins)
    frames = spectrogram.encode(sound.getvalue())
    assert spectrogram.fits(frames)
    pixels = Image(height=data.caption_side, width=data.caption_side).encode(picture.getvalue())
    for task, array in (("speech", frames), ("caption", pixels)):
        assert found[task].input.axes == array.shape
        assert found[task].bytes == array.nbytes + 4 * data.max_symbols


@pytest.mark.parametrize("devices", [2, 8])
def test_a_part_is_as_large_as_fsdp2_cuts_it(devices: int) -> None:
    expected = sharded(tiny.model(), devices, "float32").weights
    with pretended(devices):
        parts = [parameter.to_local() for parameter in cut(tiny.model()).parameters()]
    assert expected == sum(part.untyped_storage().nbytes() for part in parts)


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module")
@pytest.mark.parametrize("task", TASKS)
def test_fsdp2_sends_what_is_reckoned(task: str) -> None:
    batch = tiny.batch(task)
    expected = moved_sharded(tiny.model(), batch.route, 8)
    with pretended(8), plain_paths(), Sent(8) as sent:  # numpy, on the fast paths, lets no memory be freed
        loss(cut(tiny.model().train()), batch, 0.1).backward()
    assert sent.bytes == pytest.approx(expected, rel=0.02)  # the text net is gathered for each of its calls


def test_ddp_sends_the_gradients_of_all_parameters_used_or_not() -> None:
    model, batch = tiny.model(), tiny.batch("imageclass")
    sums: list[int] = []

    def reduce(state, bucket):  # type: ignore[no-untyped-def]  # torch compares the types with its own
        sums.append(bucket.buffer().nbytes)
        done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
        done.set_result(bucket.buffer())
        return done

    with pretended(4), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel = DistributedDataParallel(model, find_unused_parameters=True)
        parallel.register_comm_hook(None, reduce)
        parallel(batch).logits.sum().backward()
    assert moved_replicated(model, 4) == 2 * 3 / 4 * sum(sums)
    assert sum(parameter.nbytes for parameter in model.parameters() if parameter.grad is not None) < sum(sums)


@pytest.mark.parametrize("task", TASKS)
def test_used_parameters_are_those_that_get_a_gradient(task: str) -> None:
    model, batch = tiny.model().train(), tiny.batch(task)
    loss(model, batch, 0.1).backward()
    found = {id(parameter) for parameter in model.parameters() if parameter.grad is not None}
    assert used(model, batch.route) == found


def test_units_are_every_parameter_once() -> None:
    model = tiny.model()
    found = [id(parameter) for unit in unit_parameters(model) for parameter in unit]
    assert sorted(found) == sorted(id(parameter) for parameter in model.parameters())


def test_parts_of_experts_are_whole_experts() -> None:
    experts = expert_parameters(meta_model(PRESETS["paper"]))
    one = 2 * 2 * 1024 * 1024  # in two layers, two matrices each
    assert [shard_size(experts, devices) // one for devices in (1, 2, 64, 240, 1024)] == [240, 120, 4, 1, 1]


def test_more_devices_never_take_more_memory_each() -> None:
    model = meta_model(PRESETS["paper"])
    for way in WAYS.values():
        totals = [way(model, devices, "bfloat16").total for devices in (2, 8, 64, 240)]
        assert totals == sorted(totals, reverse=True)


def test_one_device_sends_nothing_and_holds_the_same_any_way() -> None:
    model, route = meta_model(PRESETS["tiny"]), longest(PRESETS["tiny"].data)["caption"].route
    assert moved_replicated(model, 1) == moved_sharded(model, route, 1) == moved_by_expert(model, 1000, 1) == 0
    assert len({way(model, 1, "bfloat16") for way in WAYS.values()}) == 1


def test_a_row_goes_to_its_expert_and_back_twice() -> None:
    model = meta_model(PRESETS["tiny"])
    rest = moved_by_expert(model, 0, 2)
    assert moved_by_expert(model, 100, 2) - rest == 100 * model.width * 4 * 4 // 2
