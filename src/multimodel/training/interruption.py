"""Ctrl-C and SIGTERM end a run between two steps: what is saved is a state from which training goes on exactly."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Asked:
    """Which signal asked the run to end; 0 while none has."""

    def __init__(self) -> None:
        self.signal = 0


def leave(number: int) -> NoReturn:
    """End the program as that signal would have: exit code 130 after Ctrl-C, 143 after SIGTERM."""
    if number == signal.SIGTERM:
        sys.exit(128 + signal.SIGTERM)
    raise KeyboardInterrupt


@contextmanager
def interruption() -> Iterator[Asked]:
    """What the first Ctrl-C or SIGTERM asked for; a second one ends the program at once, as usual."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals reach the main thread only
        return

    def note(number: int, frame: FrameType | None) -> None:
        asked.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = {one: signal.getsignal(one) for one in SIGNALS}
    for one in SIGNALS:
        signal.signal(one, note)
    try:
        yield asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
