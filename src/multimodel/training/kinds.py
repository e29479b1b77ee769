"""The kinds of data that a run may hold; `Kinds.plus` introduces a further one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from multimodel.build import MODALITIES, Modalities, Sizes
from multimodel.tasks.columns import COLUMNS, Column
from multimodel.tasks.features import FEATURES, Feature
from multimodel.tasks.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """Columns by their word, features and modality nets by their kind."""

    columns: Mapping[str, Callable[..., Column]] = field(default_factory=lambda: COLUMNS)
    features: Mapping[str, Callable[[dict[str, Any], Vocabulary], Feature]] = field(default_factory=lambda: FEATURES)
    nets: Modalities = field(default_factory=lambda: MODALITIES)

    def plus(
        self,
        kind: str,
        *,
        column: Callable[..., Column],
        feature: Callable[[dict[str, Any], Vocabulary], Feature],
        net: Callable[[Sizes, int], nn.Module],
    ) -> Kinds:
        """These and one more: how it is declared, how its feature is read from JSON, and what its net is."""
        return Kinds(
            columns={**self.columns, kind: column},
            features={**self.features, kind: feature},
            nets={**self.nets, kind: net},
        )


KINDS = Kinds()
