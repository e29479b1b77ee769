"""Categories: the exit flow of Xception over the encoded input (paper, section 2.5.3), and classes as an input."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn

from multimodel.layers.convolution import float_mask
from multimodel.layers.planes import ConvStep2d, max_pool, pad_even, to_plane
from multimodel.modalities.modality import Bottom, Representation, Top


class Category(nn.Module, Top):
    """One class for one input; the sequence is made a plane again, and padded positions do not enter the average."""

    autoregressive = False

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.skip = ConvStep2d(width, width, (3, 3), (2, 2))
        self.step1 = ConvStep2d(width, width, (3, 3))
        self.step2 = ConvStep2d(width, width, (3, 3))
        self.step3 = ConvStep2d(width, width * 3 // 2, (3, 3))
        self.step4 = ConvStep2d(width * 3 // 2, width * 2, (3, 3))
        self.output = nn.Linear(width * 2, classes)

    def embed(self, targets: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """Never asked: a class is not written symbol by symbol."""
        raise NotImplementedError("a category is read from the encoder; it has no decoder input")

    def top(self, body: Representation) -> Float[Tensor, "b t v"]:
        """Logits over the classes, (b, 1, classes)."""
        x = pad_even(to_plane(body.x, body.plane), (2, 2))
        real = pad_even(float_mask(body.plane, body.x), (2, 2))
        skip = self.skip(x, real)
        hidden = self.step2(self.step1(x, real), real)
        hidden = max_pool(hidden, real, (3, 3), (2, 2)) + skip
        real = real[:, ::2, ::2]
        hidden = self.step4(self.step3(hidden, real), real).relu() * real
        average = hidden.sum((1, 2)) / real.sum((1, 2))
        return self.output(average).unsqueeze(1)


class CategoryInput(nn.Module, Bottom):
    """A class that is given: one embedding. The paper only writes classes; the authors' code reads them, too."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(classes, width))

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Classes (b, 1) to (b, 1, d)."""
        rows = nn.functional.embedding(inputs, self.embedding) * float_mask(mask, self.embedding)
        return Representation(rows, mask, mask.unsqueeze(2))
