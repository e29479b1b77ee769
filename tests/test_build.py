"""Building: every part has an alternative that works, and sizes are what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch import Tensor, nn

from multimodel.batch import Net
from multimodel.build import Sizes, build_model
from multimodel.decoding import beam
from multimodel.layers.attention import AverageSource, CrossAttention, NoSelfAttention, SelfAttention
from multimodel.layers.experts import DenseExpert, MixtureOfExperts, NoExperts
from multimodel.layers.timing import NoTiming, Timing
from multimodel.loss import smoothed_cross_entropy
from multimodel.model import MultiModel
from multimodel.presets import PRESETS

ALTERNATIVES = {
    "none": ({}, {}),
    "no-timing": ({"timing": "none"}, {Timing: NoTiming}),
    "no-self-attention": ({"self_attention": "none"}, {SelfAttention: NoSelfAttention}),
    "average-source": ({"cross_attention": "average"}, {CrossAttention: AverageSource}),
    "no-attention": (
        {"self_attention": "none", "cross_attention": "average"},
        {SelfAttention: NoSelfAttention, CrossAttention: AverageSource},
    ),
    "dense": ({"mixture": "dense"}, {MixtureOfExperts: DenseExpert}),
    "no-mixture": ({"mixture": "none"}, {MixtureOfExperts: NoExperts}),
}
PARTS = [pytest.param(changes, swapped, id=name) for name, (changes, swapped) in ALTERNATIVES.items()]


def kinds(model: MultiModel) -> set[type[nn.Module]]:
    return {type(module) for module in model.modules()}


@pytest.mark.parametrize(("changes", "swapped"), PARTS)
def test_every_part_has_an_alternative_that_trains(changes: dict[str, str], swapped: dict[type, type]) -> None:
    model = tiny.model(**changes).train()
    for usual, alternative in swapped.items():
        assert usual not in kinds(model)
        assert alternative in kinds(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch, losses = tiny.batch("en-de", 4), []
    for _ in range(4):
        optimizer.zero_grad(set_to_none=True)
        output = model(batch)
        loss = smoothed_cross_entropy(output.logits.flatten(0, 1), batch.targets.flatten(), 0.1).mean()
        (loss + output.balance).backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    for name, parameter in [*model.encoder.named_parameters(), *model.decoder.named_parameters()]:
        assert parameter.grad is not None, name


@pytest.mark.parametrize(("changes", "swapped"), PARTS)
def test_every_alternative_writes_symbol_by_symbol_what_it_says_at_once(
    changes: dict[str, str], swapped: dict[type, type]
) -> None:
    model, batch = tiny.model(**changes), tiny.padded(tiny.batch("en-de", 2, 12), (3,))
    with torch.no_grad():
        expected = model(batch).logits
        memory = model.start(model.encode(batch), 12)
        for position in range(12):
            previous = batch.targets[:, position - 1 : position] if position else None
            logits = model.step(batch.route, previous, memory, position)
            torch.testing.assert_close(logits, expected[:, position], rtol=1e-4, atol=1e-4)
    assert len(beam(model, batch, 2, 4).symbols) == 2


@pytest.mark.parametrize(("changes", "swapped"), PARTS)
def test_every_alternative_ignores_padding_and_the_future(changes: dict[str, str], swapped: dict[type, type]) -> None:
    model, batch = tiny.model(**changes), tiny.batch("en-de", 2, 8)
    expected = model(batch).logits
    padded = model(tiny.padded(batch, (5,), 3)).logits[:, :8]
    torch.testing.assert_close(padded, expected, rtol=1e-4, atol=1e-4)
    batch.targets[:, 5] = 7
    torch.testing.assert_close(model(batch).logits[:, :6], expected[:, :6], rtol=1e-4, atol=1e-4)


def conv_step(width: int, features: int, taps: int) -> int:
    """Depthwise, pointwise, gain and bias."""
    return width * taps + width * features + 2 * features


def conv_block(d: int) -> int:
    return 2 * conv_step(d, d, 3) + 2 * conv_step(d, d, 15)


def attention_block(d: int) -> int:
    """Two ConvSteps, four projections with bias for each of two attentions, a norm."""
    return 2 * conv_step(d, d, 5) + 2 * 4 * (d * d + d) + 2 * d


def conv_res(channels: int, features: int, taps: int) -> int:
    steps = conv_step(channels, features, taps) + conv_step(features, features, taps)
    return steps + conv_step(channels, features, 1)


def mixture(d: int, experts: int, width: int) -> int:
    """Two gate matrices, two matrices for each expert, a norm."""
    return 2 * d * experts + experts * 2 * d * width + 2 * d


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_as_many_as_counted_by_hand() -> None:
    model = tiny.build_model(tiny.SIZES, tiny.NETS, tiny.COMMANDS)
    d = 16
    assert size(model.encoder) == 6 * conv_block(d) + mixture(d, 5, 12)
    assert size(model.mixer) == attention_block(d) + 2 * conv_block(d)
    assert size(model.decoder) == 4 * (conv_block(d) + attention_block(d)) + mixture(d, 5, 12)
    assert size(model.commands) == 7 * d
    nets = model.nets
    assert size(nets["text"]) == 2 * 13 * d
    assert size(nets["image"]) == (
        conv_step(6, 4, 9) + conv_step(4, 6, 9) + conv_res(6, 8, 9) + conv_res(8, 10, 9) + conv_res(10, d, 9)
    )
    sound = conv_res(6, 8, 9) + conv_res(8, 10, 9) + conv_step(10, d, 1)
    assert size(nets["spectrogram"]) == conv_res(1, 6, 9) + sound
    assert size(nets["waveform"]) == conv_res(2, 6, 3) + conv_res(6, 8, 3) + conv_res(8, 10, 3) + conv_step(10, d, 1)
    flow = 3 * conv_step(d, d, 9) + conv_step(d, 24, 9) + conv_step(24, 32, 9)
    assert size(nets["objects"]) == flow + 32 * 5 + 5


def test_a_dense_layer_is_as_wide_as_the_experts_that_one_position_uses() -> None:
    model = tiny.model(mixture="dense")
    assert tuple(model.encoder.experts.hidden.weight.shape) == (2 * 12, 16)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_can_be_built(name: str) -> None:
    nets = {
        "text": Net(kind="text", size=8192),
        "image": Net(kind="image", size=3),
        "speech": Net(kind="spectrogram", size=80),
        "sound": Net(kind="waveform", size=1),
        "objects": Net(kind="category", size=1000),
    }
    with torch.device("meta"):
        model = build_model(PRESETS[name].model, nets, ["to-english"])
    assert all(parameter.is_meta for parameter in model.parameters())


def test_the_paper_preset_has_the_papers_sizes() -> None:
    sizes: Sizes = PRESETS["paper"].model
    assert (sizes.width, sizes.heads, sizes.experts, sizes.experts_used, sizes.dropout) == (1024, 8, 240, 4, 0.4)
    assert sizes.image_channels == (32, 64, 128, 256)
    assert sizes.audio_channels == (2, 4, 8, 16, 32, 64, 128, 256)
    assert sizes.audio_strided == 8
    assert (sizes.timing, sizes.self_attention, sizes.cross_attention, sizes.mixture) == (
        "sinusoids",
        "causal",
        "attention",
        "experts",
    )
    with torch.device("meta"):
        model = build_model(sizes, {"objects": Net(kind="category", size=1000)}, [])
    exit_flow = model.nets["objects"]
    assert (exit_flow.step3.conv.pointwise.out_features, exit_flow.step4.conv.pointwise.out_features) == (1536, 2048)


def test_dropout_is_passed_on_to_every_block() -> None:
    model = tiny.build_model(replace(tiny.SIZES, dropout=0.4), tiny.NETS, tiny.COMMANDS)
    rates = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.4] * 12


def test_tasks_of_one_kind_share_a_net_and_others_have_their_own() -> None:
    nets = {**tiny.NETS, "digits": Net(kind="category", size=10)}
    model = build_model(tiny.SIZES, nets, tiny.COMMANDS)
    assert set(model.nets) == set(nets)
    assert model.nets["digits"].output.out_features == 10
    assert model.nets["objects"].output.out_features == 5


def test_the_same_seed_builds_the_same_model() -> None:
    def built() -> dict[str, Tensor]:
        torch.manual_seed(5)
        return tiny.build_model(tiny.SIZES, tiny.NETS, tiny.COMMANDS).state_dict()

    first, second = built(), built()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
