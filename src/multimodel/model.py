"""The MultiModel: modality nets around one shared body (paper, section 2 and figures 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from multimodel.batch import Batch, Route
from multimodel.body import BodyMemory, Decoder, Encoder, Mixer, Source, Use
from multimodel.layers.experts import ExpertUse
from multimodel.layers.paths import steps_compiled
from multimodel.modalities.modality import Bottom, Representation, Top

if TYPE_CHECKING:
    from multimodel.layers.body_cpu import CompiledMemory


class Output(NamedTuple):
    """Logits for every target position, and how each mixture of experts was used."""

    logits: Float[Tensor, "b t v"]
    use: tuple[ExpertUse, ...]

    @property
    def balance(self) -> Float[Tensor, ""]:
        """The sum of the balance losses."""
        return sum((use.balance for use in self.use), torch.zeros((), device=self.logits.device))


class Encoded(NamedTuple):
    """An encoded input: what the decoder attends to, its plane, and how the encoder's experts were used."""

    source: Source
    plane: Bool[Tensor, "b h w"]
    use: Use


class Memory(NamedTuple):
    """All that incremental decoding keeps between two symbols."""

    source_mask: Bool[Tensor, "b s"]
    body: BodyMemory | CompiledMemory
    """The second where there is a path that takes mixer and decoder in one call."""


class MultiModel(nn.Module):
    """Raw data of any kind in, logits out; it knows nets and commands, not tasks."""

    def __init__(
        self,
        nets: Mapping[str, nn.Module],
        encoder: Encoder,
        mixer: Mixer,
        decoder: Decoder,
        commands: Sequence[str],
        width: int,
    ) -> None:
        super().__init__()
        self.width = width
        self.nets = nn.ModuleDict(nets)
        self.encoder = encoder
        self.mixer = mixer
        self.decoder = decoder
        # one parameter a command, so that the commands of absent tasks have no gradient and do not move
        self.commands = nn.ParameterDict({name: torch.randn(width) for name in commands})

    def forward(self, batch: Batch) -> Output:
        """Teacher-forced logits of all targets at once."""
        encoded = self.encode(batch)
        top = self.top(batch.route)
        if not top.autoregressive:
            return Output(self.classify(batch.route, encoded), encoded.use)
        shifted = self.shift(top.embed(batch.targets, batch.target_mask), batch.route.command)
        mixed = self.mixer(shifted, encoded.source)
        decoded, use = self.decoder(mixed, batch.target_mask, encoded.source)
        logits = top.top(Representation(decoded, batch.target_mask, batch.target_mask.unsqueeze(2)))
        return Output(logits, encoded.use + use)

    def bottom(self, route: Route) -> Bottom:
        """The net that reads the input."""
        return cast("Bottom", self.nets[route.bottom])

    def top(self, route: Route) -> Top:
        """The net that writes the output."""
        return cast("Top", self.nets[route.top])

    def encode(self, batch: Batch) -> Encoded:
        """Raw input → shared representation → encoder."""
        representation = self.bottom(batch.route).bottom(batch.inputs, batch.input_mask)
        source, use = self.encoder(representation.x, representation.mask)
        return Encoded(source, representation.plane, use)

    def classify(self, route: Route, encoded: Encoded) -> Float[Tensor, "b 1 v"]:
        """Logits of a net that reads the encoder's output."""
        source = encoded.source
        return self.top(route).top(Representation(source.encoded, source.mask, encoded.plane))

    def shift(self, embedded: Float[Tensor, "b t d"], command: str) -> Float[Tensor, "b t d"]:
        """Targets one position to the right, the command at position 0 (section 2.4)."""
        first = self.commands[command].expand(embedded.shape[0], 1, -1)
        return torch.cat((first.to(embedded.dtype), embedded[:, :-1]), dim=1)

    def start(self, encoded: Encoded, limit: int) -> Memory:
        """Memory for writing at most `limit` symbols."""
        source = encoded.source
        if not steps_compiled(source.encoded):
            body = BodyMemory(self.mixer.start(source, limit), self.decoder.start(source, limit))
            return Memory(source.mask, body)
        from multimodel.layers import body_cpu  # numba takes a second to import

        parts = self.mixer.parts() + self.decoder.parts()
        return Memory(source.mask, body_cpu.start(parts, source.encoded, source.mask, limit))

    def step(
        self, route: Route, previous: Int[Tensor, "b 1"] | None, memory: Memory, position: int
    ) -> Float[Tensor, "b v"]:
        """Logits of the symbol at `position`, given the one before it (None at position 0: the command)."""
        top = self.top(route)
        batch = memory.source_mask.shape[0]
        real = torch.ones(batch, 1, dtype=torch.bool, device=memory.source_mask.device)
        shifted = self.commands[route.command].repeat(batch, 1, 1) if previous is None else top.embed(previous, real)
        decoded = self.write(shifted, memory.body, position)
        return top.top(Representation(decoded, real, real.unsqueeze(2)))[:, 0]

    def write(
        self, shifted: Float[Tensor, "b 1 d"], memory: BodyMemory | CompiledMemory, position: int
    ) -> Float[Tensor, "b 1 d"]:
        """One position through mixer and decoder."""
        if not isinstance(memory, BodyMemory):
            return memory.step(shifted, position)
        mixed = self.mixer.step(shifted, memory.mixer, position)
        return self.decoder.step(mixed, memory.decoder, position)
