"""Modality nets: the authors' numbers for text and its loss, sizes, and padding that changes nothing."""

from __future__ import annotations

from math import ceil

import pytest
import tiny
import torch
import torch.nn.functional as F
from authors import agree, load
from torch import Tensor

from multimodel.layers.planes import to_plane, to_sequence
from multimodel.loss import smoothed_cross_entropy
from multimodel.modalities.audio import Spectrogram, Waveform
from multimodel.modalities.category import Category
from multimodel.modalities.image import Image, standardise
from multimodel.modalities.modality import Representation
from multimodel.modalities.text import Text


def test_the_text_net_agrees_with_the_authors_code() -> None:
    fixture = load("11_symbol_shared0")
    inputs, targets = fixture["in:inputs"][:, :, 0, 0].long(), fixture["in:targets"][:, :, 0, 0].long()
    reader, writer = Text(50, 32), Text(50, 32)
    with torch.no_grad():
        reader.embedding.copy_(fixture.sharded("var:input_emb/weights"))
        writer.embedding.copy_(fixture.sharded("var:target_emb/weights"))
        writer.output.copy_(fixture.sharded("var:softmax/weights"))
    agree(reader.bottom(inputs, inputs != 0).x, fixture["out:bottom"][:, :, 0])
    agree(writer.embed(targets, targets != 0), fixture["out:targets_bottom"][:, :, 0])

    body = fixture["in:body"][:, :, 0].requires_grad_()
    real = targets != 0
    logits = writer.top(Representation(body, real, real.unsqueeze(2)))
    agree(logits, fixture["out:y"][:, :, 0, 0])
    losses = smoothed_cross_entropy(logits[real], targets[real], fixture.meta["label_smoothing"])
    agree(losses.sum(), fixture["out:loss_num"])
    assert len(losses) == fixture["out:loss_den"]
    agree(losses.mean(), fixture["out:loss"])

    logits.backward(fixture["cotangent:y"][:, :, 0, 0])
    agree(body.grad, fixture["grad:in:body"][:, :, 0])
    agree(writer.output.grad, fixture.sharded("grad:softmax/weights"))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("counted", ["nonzero", "all"])
def test_the_loss_agrees_with_the_authors_code(smoothing: float, counted: str) -> None:
    fixture = load("11_smoothing_xent")
    logits, labels = fixture["in:logits"].flatten(0, 3), fixture["in:labels"].flatten().long()
    losses = smoothed_cross_entropy(logits, labels, smoothing)[(labels != 0) | (counted == "all")]
    agree(losses.sum(), fixture[f"out:num_ls{smoothing:g}_weights_{counted}"])
    assert len(losses) == fixture[f"out:den_weights_{counted}"]


def test_the_loss_of_a_target_padded_with_class_0_agrees_with_the_authors_code() -> None:
    fixture = load("11_smoothing_xent")
    labels = F.pad(fixture["in:labels_short"][:, :, 0, 0], (0, 2)).flatten().long()
    losses = smoothed_cross_entropy(fixture["in:logits"].flatten(0, 3), labels, 0.1)
    agree(losses.sum(), fixture["out:short_num_all"])


def test_embeddings_are_scaled_and_zero_at_padding() -> None:
    net = Text(11, 16)
    mask = torch.tensor([[True, True, False]])
    embedded = net.embed(torch.tensor([[5, 0, 5]]), mask)
    torch.testing.assert_close(embedded[0, :2], net.embedding[[5, 0]] * 4)
    assert not embedded[0, 2].any()
    assert torch.equal(net.bottom(torch.tensor([[5, 0, 5]]), mask).mask, mask)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 33), (37, 20)])
def test_an_image_becomes_one_position_for_16_by_16_pixels(size: tuple[int, int]) -> None:
    read = Image(3, (4, 5, 6, 7), 8).bottom(torch.rand(2, *size, 3), torch.ones(2, *size, dtype=torch.bool))
    high, broad = ceil(size[0] / 16), ceil(size[1] / 16)
    assert read.x.shape == (2, high * broad, 8)
    assert read.plane.shape == (2, high, broad)
    assert read.mask.all()


def test_the_papers_image_is_19_by_19_positions() -> None:
    read = Image(3, (1, 1, 1, 1), 8).bottom(torch.rand(1, 299, 299, 3), torch.ones(1, 299, 299) > 0)
    assert read.x.shape == (1, 361, 8)


def test_an_image_is_read_the_same_in_any_light() -> None:
    net, pixels, real = Image(3, (4, 5, 6, 7), 8), torch.rand(2, 20, 33, 3), torch.ones(2, 20, 33, dtype=torch.bool)
    read = net.bottom(pixels, real).x
    torch.testing.assert_close(net.bottom(pixels * 0.5 + 0.4, real).x, read, atol=0.1, rtol=0)
    assert not torch.allclose(net.bottom(1 - pixels, real).x, read, atol=0.1), "a negative is another picture"


def test_an_image_of_one_colour_is_read_as_a_number() -> None:
    read = Image(3, (4, 5, 6, 7), 8).bottom(torch.ones(1, 16, 16, 3), torch.ones(1, 16, 16, dtype=torch.bool))
    assert read.x.isfinite().all()


def test_pixels_are_standardised_over_the_real_ones() -> None:
    pixels, real = torch.rand(2, 9, 7, 3) * 0.5 + 0.3, torch.ones(2, 9, 7, 1)
    real[1, 5:] = 0
    standard = standardise(pixels, real)
    assert not standard[1, 5:].any()
    for image in (standard[0], standard[1, :5]):
        torch.testing.assert_close(image.mean((0, 1)), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(image.std(correction=0), torch.tensor(1.0), atol=0.1, rtol=0)


@pytest.mark.parametrize("strided", [0, 1, 3])
@pytest.mark.parametrize("length", [1, 8, 19])
def test_sound_shrinks_in_time_only(length: int, strided: int) -> None:
    sizes, frames = ((2, 4, 8), strided, 6), ceil(length / 2**strided)
    mask = torch.ones(2, length, dtype=torch.bool)
    spectral = Spectrogram(*sizes).bottom(torch.rand(2, length, 5), mask)
    assert spectral.x.shape == (2, frames * 5, 6)
    assert spectral.plane.shape == (2, frames, 5)
    samples = Waveform(*sizes).bottom(torch.rand(2, length), mask)
    assert samples.x.shape == (2, frames, 6)
    assert samples.plane.shape == (2, frames, 1)


def test_the_papers_position_of_sound_covers_256_steps() -> None:
    channels = (2, 4, 8, 16, 32, 64, 128, 256)
    read = Spectrogram(channels, 8, 16).bottom(torch.rand(1, 1024, 3), torch.ones(1, 1024) > 0)
    assert read.plane.shape == (1, 4, 3)


def test_negative_samples_are_heard_although_every_step_opens_with_a_relu() -> None:
    net, mask = Waveform((4, 4), 1, 8), torch.ones(1, 30, dtype=torch.bool)
    one, other = net.bottom(-torch.rand(1, 30), mask).x, net.bottom(-torch.rand(1, 30), mask).x
    assert not torch.allclose(one, other, atol=0.1)


READERS = {
    "text": (lambda: Text(tiny.SYMBOLS, 8), [(1,), (4,)]),
    "image": (lambda: Image(3, (4, 5, 6, 7), 8), [(1, 0), (0, 1), (16, 0), (0, 16), (11, 29), (3, 50)]),
    "spectrogram": (lambda: Spectrogram((4, 5, 6), 2, 8), [(1,), (2,), (3,), (8,)]),
    "waveform": (lambda: Waveform((4, 5, 6), 3, 8), [(1,), (7,), (20,)]),
}
APPENDED = [pytest.param(kind, extra, id=f"{kind}-{extra}") for kind, (_, sizes) in READERS.items() for extra in sizes]
SIZES = {
    "text": [(1,), (9,)],
    "image": [(37, 20, 3), (16, 32, 3), (1, 1, 3)],
    "spectrogram": [(9, 4), (16, 4)],
    "waveform": [(25,), (16,)],
}


@pytest.mark.parametrize(("kind", "extra"), APPENDED)
def test_padding_an_input_changes_nothing(kind: str, extra: tuple[int, ...]) -> None:
    net = tiny.shaken(READERS[kind][0]())
    for size in SIZES[kind]:
        axes = len(extra)
        numbers = torch.randn(2, *size) if kind == "waveform" else torch.rand(2, *size)
        x = torch.randint(2, tiny.SYMBOLS, (2, *size)) if kind == "text" else numbers
        mask = torch.ones(2, *size[:axes], dtype=torch.bool)
        appended = [number for axis in reversed(extra) for number in (0, axis)]
        junk = [0, 0] * (x.dim() - 1 - axes) + appended
        alone = net.bottom(x, mask)
        beside = net.bottom(F.pad(x, junk, value=5), F.pad(mask, appended))
        length = alone.x.shape[1]
        torch.testing.assert_close(beside.x[:, :length], alone.x)
        assert not beside.x[:, length:].any()
        assert alone.mask.all()
        assert torch.equal(beside.mask, F.pad(alone.mask, (0, beside.mask.shape[1] - length)))
        assert beside.plane.sum() == alone.plane.sum()


def ragged(*sizes: tuple[int, int]) -> Tensor:
    """Masks of planes of these sizes in one batch."""
    mask = torch.zeros(len(sizes), max(size[0] for size in sizes), max(size[1] for size in sizes), dtype=torch.bool)
    for row, (height, width) in enumerate(sizes):
        mask[row, :height, :width] = True
    return mask


def test_a_plane_is_read_row_by_row_without_its_padding_and_can_be_put_back() -> None:
    real = ragged((2, 3), (3, 2), (1, 1))
    plane = torch.arange(1.0, 28).view(3, 3, 3, 1) * real.unsqueeze(-1)
    x, mask = to_sequence(plane, real)
    assert x[0, :, 0].tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0]
    assert x[1, :, 0].tolist() == [10, 11, 13, 14, 16, 17, 0, 0, 0]
    assert mask.sum(1).tolist() == [6, 6, 1]
    assert torch.equal(to_plane(x, real), plane)
    assert torch.equal(to_plane(x.transpose(0, 1).contiguous().transpose(0, 1), real), plane)


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (4, 4), (5, 3), (7, 1)])
@pytest.mark.parametrize("extra", [(1, 0), (0, 1), (3, 2), (0, 6)])
def test_padding_changes_no_class(size: tuple[int, int], extra: tuple[int, int]) -> None:
    net = tiny.shaken(Category(5, 8))
    plane, real = torch.randn(2, *size, 8), torch.ones(2, *size, dtype=torch.bool)
    x, mask = to_sequence(plane, real)
    expected = net.top(Representation(x, mask, real))
    assert expected.shape == (2, 1, 5)
    appended = (0, extra[1], 0, extra[0])
    wide = F.pad(real, appended)
    x, mask = to_sequence(F.pad(plane, (0, 0, *appended), value=4.0), wide)
    torch.testing.assert_close(net.top(Representation(x, mask, wide)), expected, rtol=1e-4, atol=1e-5)


def test_a_class_depends_on_how_positions_lie_in_the_plane() -> None:
    net, x = tiny.shaken(Category(5, 8)), torch.randn(1, 12, 8)
    mask = torch.ones(1, 12, dtype=torch.bool)
    wide, high = (
        net.top(Representation(x, mask, mask.view(1, 3, 4))),
        net.top(Representation(x, mask, mask.view(1, 4, 3))),
    )
    assert not torch.allclose(wide, high)


def test_a_class_is_never_written_symbol_by_symbol() -> None:
    net = Category(5, 8)
    assert not net.autoregressive
    assert Text(5, 8).autoregressive
    with pytest.raises(NotImplementedError, match="category"):
        net.embed(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool))
