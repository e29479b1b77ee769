"""Log-perplexity and accuracy per target symbol (paper, table 2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SymbolScore:
    """Summed negative log-likelihood in nats, symbols predicted right, and symbols in all."""

    nats: float
    right: int
    symbols: int

    @property
    def log_perplexity(self) -> float:
        """Mean nats per symbol; raises `ValueError` where nothing was scored."""
        return self.nats / self._scored()

    @property
    def accuracy(self) -> float:
        """Share of symbols whose likeliest prediction was right, 0…1; raises `ValueError` where nothing was scored."""
        return self.right / self._scored()

    def _scored(self) -> int:
        if not self.symbols:
            raise ValueError("no symbols were scored, so there is no mean; is the split empty?")
        return self.symbols
