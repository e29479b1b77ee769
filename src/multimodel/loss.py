"""The training loss: label-smoothed cross-entropy per symbol, in nats (authors' code)."""

from __future__ import annotations

import math

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def smoothed_cross_entropy(
    logits: Float[Tensor, "n v"], labels: Int[Tensor, " n"], smoothing: float
) -> Float[Tensor, " n"]:
    """Cross-entropy against 1 − s on the label and s/(v − 1) on each other symbol, minus that target's entropy.

    It is 0 for a perfect prediction; with `smoothing` 0 it is the negative log-likelihood.
    """
    classes = logits.shape[1]
    if smoothing == 0 or classes == 1:
        return F.cross_entropy(logits.float(), labels, reduction="none")
    # torch spreads its smoothing over all classes, the label's own included
    spread = smoothing * classes / (classes - 1)
    entropy = -(1 - smoothing) * math.log(1 - smoothing) - smoothing * math.log(smoothing / (classes - 1))
    return F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=spread) - entropy
