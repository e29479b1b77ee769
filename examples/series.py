"""A kind of data that the paper lacks, from outside the package: series of numbers as input.

    multimodel data build mini8
    python examples/series.py runs/series --minutes 1

The series here are how bright each row of a picture of clothes is; the task is to name the piece from them.
A kind of data is two classes, what it is as data and what it is in the network, and one call that introduces them.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as parquet
from jaxtyping import Bool, Float, Num
from PIL import Image
from torch import Tensor, nn

import multimodel
from multimodel.batch import Net
from multimodel.folders import mini8_folder
from multimodel.layers.convolution import float_mask
from multimodel.modalities.modality import Bottom, Representation
from multimodel.tasks.columns import Context
from multimodel.tasks.padding import pad


@dataclass(frozen=True)
class Series:
    """A list of numbers, at most `longest`: as a column it says what cells hold, as a feature how they are encoded."""

    kind: ClassVar[str] = "series"
    measure: ClassVar[str] = ""  # it is never an output
    adds: ClassVar[str] = ""  # nor text that a vocabulary learns
    tells_apart: ClassVar[bool] = False
    reads_files: ClassVar[bool] = False
    version: ClassVar[str] = "1"

    column: str
    longest: int = 1000
    net: str = "series"

    @property
    def spec(self) -> Net:
        """What the net must know: numbers come one at a time."""
        return Net(kind=self.kind, size=1)

    def raw(self, cell: Any, file: Callable[[str], Path]) -> Sequence[float]:
        """The numbers of a cell; raises `InputError` where there is none, or one that is no number."""
        try:
            numbers = [float(number) for number in cell]
        except (TypeError, ValueError) as error:
            raise multimodel.InputError(f"The cell is no list of numbers: {error}.") from error
        if not numbers or not np.isfinite(numbers).all():
            raise multimodel.InputError("The series is empty or holds NaN.")
        return numbers

    def feature(self, context: Context) -> Series:
        """Itself."""
        return self

    def encode(self, raw: Sequence[float]) -> np.ndarray:
        """The numbers (t,), in units of their own spread."""
        numbers = np.array(raw, dtype=np.float32)
        return (numbers - numbers.mean()) / (numbers.std() + 1e-6)

    def encode_many(self, raws: Sequence[Sequence[float]]) -> Iterator[np.ndarray]:
        """Each."""
        return map(self.encode, raws)

    def fits(self, array: np.ndarray) -> bool:
        """Whether it is short enough."""
        return len(array) <= self.longest

    def cost(self, array: np.ndarray) -> int:
        """Positions of the body: one a number."""
        return len(array)

    def collate(self, arrays: Sequence[np.ndarray]) -> tuple[Float[Tensor, "b t"], Bool[Tensor, "b t"]]:
        """Padded numbers and the mask of the real ones."""
        return pad(arrays, axes=1, dtype=np.float32)

    def decode(self, symbols: Sequence[int]) -> None:
        """Nothing: it is never an output."""

    def read(self, value: str) -> Sequence[float]:
        """Numbers with commas between, as typed on a command line."""
        return self.raw(value.split(","), Path)

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return {"kind": self.kind, **asdict(self)}


class SeriesNet(nn.Module, Bottom):
    """Each number, times a learned vector and plus another, is one position of the body."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.line = nn.Linear(1, width)

    def bottom(self, inputs: Num[Tensor, "b ..."], mask: Bool[Tensor, "b ..."]) -> Representation:
        """Numbers (b, t) to (b, t, d), zero at padding."""
        x = self.line(inputs.unsqueeze(-1))
        return Representation(x * float_mask(mask, x), mask, mask.unsqueeze(2))


KINDS = multimodel.KINDS.plus(
    "series",
    column=Series,
    feature=lambda values, vocabulary: Series(**values),
    net=lambda sizes, size: SeriesNet(sizes.width),
)


def outlines(mini8: Path) -> list[dict[str, Any]]:
    """How bright each row of every picture is, what it shows, and the split that it belongs to."""
    rows = parquet.read_table(mini8 / "imageclass.parquet").to_pylist()
    return [{"rows": brightness(row["image"]), "piece": row["label"], "split": row["split"]} for row in rows]


def brightness(picture: bytes) -> list[float]:
    """The mean of each row of pixels."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L"), dtype=np.float64).mean(axis=1).tolist()


def main() -> None:
    """Train, score, ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--preset", default="quickstart")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--data-folder", type=Path, default=mini8_folder())
    words = parser.parse_args()
    data = outlines(words.data_folder)
    task = multimodel.Declaration(name="outline", data=data, input=Series("rows"), output=multimodel.Category("piece"))
    model = multimodel.train(
        [task], words.run, preset=words.preset, minutes=words.minutes, steps=words.steps, kinds=KINDS
    )
    (found,) = multimodel.evaluate(words.run, [task], kinds=KINDS)
    print(f"right: {found.measures['top1']:.1%}, by guessing: {found.baseline_measures['top1']:.1%}")
    print("the first:", model.predict("outline", ",".join(map(str, data[0]["rows"]))), "in truth", data[0]["piece"])


if __name__ == "__main__":
    main()
