"""The body: its order, its padding, and what it tells of its experts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multimodel.body import Decoder, Encoder, Mixer, Source
from multimodel.layers.convolution import SepConv
from multimodel.layers.experts import NoExperts
from multimodel.layers.timing import Timing


@pytest.fixture
def body() -> nn.Module:
    return tiny.model()


def source(length: int = 11) -> Source:
    return Source(torch.randn(2, length, 16), torch.ones(2, length, dtype=torch.bool))


def order_of_calls(body: nn.Module, run: Callable[[], object]) -> list[str]:
    """The classes of the parts that `run` calls, in the order in which they end."""
    called: list[str] = []
    names = {"ConvBlock", "MixtureOfExperts", "AttentionBlock", "Timing"}
    handles = [
        module.register_forward_hook(lambda module, *_: called.append(type(module).__name__))
        for module in body.modules()
        if type(module).__name__ in names
    ]
    run()
    for handle in handles:
        handle.remove()
    return called


def test_the_encoder_is_timing_then_six_blocks_around_one_mixture(body: nn.Module) -> None:
    called = order_of_calls(body, lambda: body.encoder(*source()))
    assert called == ["Timing", *["ConvBlock"] * 3, "MixtureOfExperts", *["ConvBlock"] * 3]


def test_the_mixer_is_attention_then_two_blocks(body: nn.Module) -> None:
    called = order_of_calls(body, lambda: body.mixer(torch.randn(2, 5, 16), source()))
    assert called == ["Timing", "AttentionBlock", "ConvBlock", "ConvBlock"]


def test_the_decoder_is_four_layers_around_one_mixture(body: nn.Module) -> None:
    mask = torch.ones(2, 5, dtype=torch.bool)
    called = order_of_calls(body, lambda: body.decoder(torch.randn(2, 5, 16), mask, source()))
    layer = ["ConvBlock", "Timing", "AttentionBlock"]
    assert called == [*layer * 2, "MixtureOfExperts", *layer * 2]


def test_encoder_blocks_are_centred_and_the_others_causal(body: nn.Module) -> None:
    causal = {name: module.causal for name, module in body.named_modules() if isinstance(module, SepConv)}
    assert len(causal) == 12 * 4 + 5 * 2
    assert all(value == (not name.startswith("encoder")) for name, value in causal.items())


def padded(x: Tensor, extra: int) -> Tensor:
    return F.pad(x, (0, 0, 0, extra), value=3.0)


@pytest.mark.parametrize("extra", [1, 9, 130])
@pytest.mark.parametrize("training", [False, True])
def test_padding_the_source_changes_nothing_in_the_encoder(body: nn.Module, extra: int, training: bool) -> None:
    encoder: Encoder = body.encoder.train(training)
    x, mask = source()
    torch.manual_seed(5)
    encoded, (use,) = encoder(x, mask)
    torch.manual_seed(5)
    longer, (same,) = encoder(padded(x, extra), F.pad(mask, (0, extra)))
    torch.testing.assert_close(longer.encoded[:, :11], encoded.encoded, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(same, use, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("extra", [1, 9])
def test_padding_source_and_target_changes_nothing_in_mixer_and_decoder(body: nn.Module, extra: int) -> None:
    mixer: Mixer = body.mixer
    decoder: Decoder = body.decoder
    shifted, mask, read = torch.randn(2, 6, 16), torch.ones(2, 6, dtype=torch.bool), source()
    decoded, (use,) = decoder(mixer(shifted, read), mask, read)
    longer_read = Source(padded(read.encoded, extra), F.pad(read.mask, (0, extra)))
    longer, (same,) = decoder(mixer(padded(shifted, extra), longer_read), F.pad(mask, (0, extra)), longer_read)
    torch.testing.assert_close(longer[:, :6], decoded, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(same, use, rtol=1e-4, atol=1e-5)


def test_the_decoder_reads_the_whole_source(body: nn.Module) -> None:
    read = source()
    encoded = read.encoded.requires_grad_()
    with torch.no_grad():
        mixed = body.mixer(torch.randn(2, 3, 16), read)
    body.decoder(mixed, torch.ones(2, 3, dtype=torch.bool), read)[0].square().sum().backward()
    assert encoded.grad.abs().sum(-1).min() > 0


def test_an_encoder_without_blocks_only_tells_the_time() -> None:
    x, mask = source()
    encoded, use = Encoder(Timing(), [], NoExperts())(x, mask)
    assert torch.equal(encoded.encoded, Timing()(x))
    assert use == ()
