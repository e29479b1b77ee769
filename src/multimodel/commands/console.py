"""The console that tables are printed on."""

from __future__ import annotations

import sys

from rich.console import Console

PLAIN_WIDTH = 120  # columns in files and pipes


def table_console() -> Console:
    """As wide as the terminal, and of a fixed width in files and pipes."""
    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
