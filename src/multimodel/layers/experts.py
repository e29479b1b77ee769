"""Mixture of experts with a noisy top-k gate (paper, section 2.3; Shazeer et al. 2017, arXiv 1701.06538)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from multimodel.layers.convolution import NORM_EPSILON
from multimodel.layers.paths import fused
from multimodel.layers.products import Linear

NOISE_FLOOR = 1e-2
BALANCE_WEIGHT = 0.01


class ExpertUse(NamedTuple):
    """How a batch used the experts of one layer: the sums of its gates, the (smooth) counts, and the balance loss."""

    importance: Float[Tensor, " e"]
    load: Float[Tensor, " e"]
    balance: Float[Tensor, ""]


class Routing(NamedTuple):
    """Which experts each position uses, and how much of each."""

    experts: Int[Tensor, "n k"]
    gates: Float[Tensor, "n k"]
    use: ExpertUse


class Slices(NamedTuple):
    """Positions sorted by expert: one slice of rows for each."""

    sizes: list[int]
    sources: Int[Tensor, " rows"]
    """The position that stands in each row."""
    places: Int[Tensor, "n k"]
    """The row in which each position stands for each of its experts."""


def slices(experts: Int[Tensor, "n k"], count: int) -> Slices:
    """The layout for these choices among `count` experts."""
    chosen = experts.flatten()
    order = chosen.argsort(stable=True)
    places = torch.empty_like(order).scatter(0, order, torch.arange(len(order), device=order.device))
    sizes = torch.bincount(chosen, minlength=count).tolist()
    return Slices(sizes, order // experts.shape[1], places.view_as(experts))


def cv_squared(x: Float[Tensor, " e"]) -> Float[Tensor, ""]:
    """Squared coefficient of variation: 0 for a uniform vector, n − 1 for a one-hot of n."""
    return x.var(correction=0) / (x.mean() ** 2 + 1e-10)


def effective_experts(shares: np.ndarray) -> float:
    """How many experts, used evenly, would spread the gates as far: the exponential of the entropy of their shares."""
    used = shares[shares > 0]
    return math.exp(-float((used * np.log(used)).sum()))


def normal_cdf(x: Tensor) -> Tensor:
    """Φ, the chance that a standard normal draw lies below x."""
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


class NoisyTopKGate(nn.Module):
    """`gates = softmax(top_k(x·Wg + noise·(softplus(x·Wn) + 0.01)))`, in float32; both weights start at zero."""

    def __init__(self, width: int, experts: int, used: int) -> None:
        super().__init__()
        self.used = used
        self.gate = nn.Parameter(torch.zeros(width, experts))
        self.noise = nn.Parameter(torch.zeros(width, experts))

    def forward(self, x: Float[Tensor, "n d"], noise: Float[Tensor, "n e"] | None) -> Routing:
        """Route n positions; `noise` is a standard-normal draw in training, None in evaluation."""
        with torch.autocast(x.device.type, enabled=False):
            return self.route(x.float(), noise)

    def route(self, x: Float[Tensor, "n d"], noise: Float[Tensor, "n e"] | None) -> Routing:
        """The same, all in float32."""
        clean = x @ self.gate.float()
        deviation = None if noise is None else F.softplus(x @ self.noise.float()) + NOISE_FLOOR
        noisy = clean if noise is None or deviation is None else clean + noise * deviation
        top, experts = noisy.topk(min(self.used + 1, noisy.shape[1]), dim=1)
        gates = top[:, : self.used].softmax(dim=1)
        chosen = experts[:, : self.used]
        importance = torch.zeros_like(clean).scatter(1, chosen, gates).sum(0)
        load = self.load(clean, noisy, deviation, top, chosen)
        balance = BALANCE_WEIGHT * (cv_squared(importance) + cv_squared(load))
        return Routing(chosen, gates, ExpertUse(importance, load, balance))

    def load(
        self,
        clean: Float[Tensor, "n e"],
        noisy: Float[Tensor, "n e"],
        deviation: Float[Tensor, "n e"] | None,
        top: Float[Tensor, "n _"],
        chosen: Int[Tensor, "n k"],
    ) -> Float[Tensor, " e"]:
        """Chance that each expert would be chosen again under fresh noise of its own, summed over positions.

        Without noise, or when all experts are used, it is a count: no threshold is left that noise could cross.
        """
        if deviation is None or top.shape[1] == self.used:
            return torch.zeros_like(clean).scatter(1, chosen, 1.0).sum(0)
        best_other, last_chosen = top[:, self.used, None], top[:, self.used - 1, None]
        threshold = torch.where(noisy > best_other, best_other, last_chosen)
        return normal_cdf((clean - threshold) / deviation).sum(0)


class MixtureOfExperts(nn.Module):
    """`LN(x + Σ gate · expert(x))` over the k experts of each real position; padding is neither routed nor counted.

    An expert is d → expert width → d with a ReLU between and no biases. Positions are sorted by expert, so that each
    expert is one matrix product over its own rows; there is no capacity limit and nothing is dropped.
    """

    def __init__(self, width: int, experts: int, used: int, expert_width: int) -> None:
        super().__init__()
        self.gate = NoisyTopKGate(width, experts, used)
        self.hidden = nn.Parameter(torch.randn(experts, width, expert_width) * (2 / width) ** 0.5)
        self.output = nn.Parameter(torch.randn(experts, expert_width, width) * expert_width**-0.5)
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], tuple[ExpertUse, ...]]:
        """The normalised sum, and how the experts were used."""
        real = mask.flatten().nonzero().squeeze(1)
        rows = x.flatten(0, 1).index_select(0, real)
        noise = torch.randn(len(rows), self.hidden.shape[0], device=x.device) if self.training else None
        routing = self.gate(rows, noise)
        mixed = self.mix(rows, routing)
        spread = torch.zeros_like(x).flatten(0, 1).index_copy(0, real, mixed.to(x.dtype))
        return self.norm(x + spread.view_as(x)), (routing.use,)

    def mix(self, rows: Float[Tensor, "n d"], routing: Routing) -> Float[Tensor, "n d"]:
        """Weighted sum of the chosen experts' answers, by sorted slices."""
        if fused(rows):
            from multimodel.layers import experts_cpu  # numba takes a second to import

            return experts_cpu.mix(rows, routing.experts, routing.gates, self.hidden, self.output)
        layout = slices(routing.experts, len(self.hidden))
        answers = [
            F.relu(chunk @ hidden) @ output
            for chunk, hidden, output in zip(
                torch.split(rows.index_select(0, layout.sources), layout.sizes),
                self.hidden.unbind(0),
                self.output.unbind(0),
                strict=True,
            )
            if len(chunk)
        ]
        chosen = torch.cat([rows[:0], *answers]).index_select(0, layout.places.flatten())
        return (chosen.view(*layout.places.shape, rows.shape[1]) * routing.gates.unsqueeze(-1).to(rows.dtype)).sum(1)


class DenseExpert(nn.Module):
    """The ablation of the mixture: one feed-forward net as wide as the experts that a position would use."""

    def __init__(self, width: int, expert_width: int) -> None:
        super().__init__()
        self.hidden = Linear(width, expert_width, bias=False)
        self.output = Linear(expert_width, width, bias=False)
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], tuple[ExpertUse, ...]]:
        """Same shape; there is no gate whose use could be told."""
        return self.norm(x + self.output(F.relu(self.hidden(x)))), ()


class NoExperts(nn.Module):
    """The paper's ablation "no MoE": the layer is left out."""

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], tuple[ExpertUse, ...]]:
        """The input."""
        return x, ()


Experts = MixtureOfExperts | DenseExpert | NoExperts
