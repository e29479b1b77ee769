"""Beside whom we stand: an encoder–decoder Transformer of equal width, depth and active parameters.

It is `transformers`' Marian, with random weights. Depth is counted in blocks: one layer for each ConvBlock, six in the
encoder and six (mixer and decoder) in the decoder. Its feed-forward layers are as wide as makes both networks put
as many parameters to work for one symbol.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from multimodel.batch import Batch
from multimodel.benchmark.models import LEARNING_RATE, text_model
from multimodel.benchmark.timing import Way
from multimodel.build import DECODER_LAYERS, ENCODER_BLOCKS, MIXER_BLOCKS
from multimodel.decoding import END, PADDING
from multimodel.errors import InputError
from multimodel.parameters import active_parameters
from multimodel.presets import Preset
from multimodel.training.gradients import clip, summed_loss
from multimodel.training.trainer import make_optimiser

MISSING = "The Transformer is left out: it needs the extra `bench` (pip install 'multimodel[bench]')."


def installed() -> bool:
    """Whether there is a Transformer to compare with."""
    return find_spec("transformers") is not None


def marian(preset: Preset, feed_forward: int) -> Any:
    """A Transformer of the preset's width, as deep as our body."""
    from transformers import MarianConfig, MarianMTModel

    layers = {"encoder": ENCODER_BLOCKS, "decoder": MIXER_BLOCKS + DECODER_LAYERS}
    config = MarianConfig(
        vocab_size=preset.data.vocabulary,
        d_model=preset.model.width,
        max_position_embeddings=1024,
        activation_function="relu",
        dropout=preset.model.dropout,
        attention_dropout=0.0,
        activation_dropout=0.0,
        scale_embedding=True,
        pad_token_id=PADDING,
        eos_token_id=END,
        decoder_start_token_id=PADDING,
        forced_eos_token_id=None,
        **{f"{side}_layers": count for side, count in layers.items()},
        **{f"{side}_attention_heads": preset.model.heads for side in layers},
        **{f"{side}_ffn_dim": feed_forward for side in layers},
    )
    return MarianMTModel(config)


def active(model: nn.Module) -> int:
    """Parameters that are trained: not the positions, and the table of symbols once, as input and output share it."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def feed_forward_width(preset: Preset) -> int:
    """The width at which both networks put as many parameters to work; they grow evenly with it."""
    with torch.device("meta"):
        wanted = active_parameters(text_model(preset), preset.model.experts_used)
        one, two = (active(marian(preset, width)) for width in (1, 2))
    return max(1, 1 + round((wanted - one) / (two - one)))


def transformer(preset: Preset, device: torch.device) -> Any:
    """The Transformer to compare with; raises `InputError` where the extra is missing."""
    if not installed():
        raise InputError(MISSING)
    return marian(preset, feed_forward_width(preset)).to(device)


def transformer_steps(model: Any, preset: Preset, batch: Batch, dtype: torch.dtype) -> Way:
    """A whole training step, the same in every respect but the network; bfloat16 is torch's autocast."""
    settings, optimiser = preset.training, make_optimiser(model, preset.training)
    parameters = list(model.train().parameters())
    shifted = F.pad(batch.targets[:, :-1], (1, 0), value=PADDING)
    device = batch.targets.device

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            logits = model(
                input_ids=batch.inputs,
                attention_mask=batch.input_mask,
                decoder_input_ids=shifted,
                use_cache=False,
            ).logits
        loss = summed_loss(logits, batch, settings.label_smoothing) / batch.symbols
        torch.autograd.backward(loss)
        clip(parameters, settings.clip)
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE
        optimiser.step()

    return step


def transformer_write(model: Any, batch: Batch, length: int) -> Any:
    """Exactly `length` symbols for each example, greedily, with its cache."""
    with torch.no_grad():
        return model.generate(
            input_ids=batch.inputs,
            attention_mask=batch.input_mask.long(),
            max_new_tokens=length,
            min_new_tokens=length,
            do_sample=False,
            num_beams=1,
            use_cache=True,
        )
