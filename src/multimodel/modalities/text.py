"""Text: embeddings in, a linear layer over one vocabulary out (paper, section 2.5.1)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn

from multimodel.layers.convolution import float_mask
from multimodel.layers.products import product
from multimodel.modalities.modality import Bottom, Representation, Top


class Text(nn.Module, Bottom, Top):
    """One net for all text of all tasks and languages."""

    autoregressive = True

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(vocabulary, width) * width**-0.5)
        self.output = nn.Parameter(torch.randn(vocabulary, width) * width**-0.5)

    def embed(self, targets: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """Embedding · √d, zero at padding."""
        rows = nn.functional.embedding(targets, self.embedding)
        return rows * self.embedding.shape[1] ** 0.5 * float_mask(mask, rows)

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Symbols (b, s) to (b, s, d)."""
        return Representation(self.embed(inputs, mask), mask, mask.unsqueeze(2))

    def top(self, body: Representation) -> Float[Tensor, "b t v"]:
        """Logits over the vocabulary."""
        rows = product(body.x.flatten(0, 1), self.output)
        return rows.view(*body.x.shape[:2], -1)
