"""Work on many items at once where the libraries below run outside Python's lock (sound, pictures, Fourier)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 8
CHUNK = 32  # small pictures take less time than handing one over to a thread


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`map(function, items)`, in order, on as many threads as there are cores to use, 8 at most.

    An error is raised in the place of the item that caused it, after the results of all items before.
    """

    def work(start: int) -> tuple[list[Result], Exception | None]:
        results: list[Result] = []
        try:
            for item in items[start : start + CHUNK]:
                results.append(function(item))
        except Exception as error:
            return results, error
        return results, None

    with ThreadPoolExecutor(min(MOST_THREADS, usable_cores())) as pool:
        for results, error in pool.map(work, range(0, len(items), CHUNK)):
            yield from results
            if error is not None:
                pool.shutdown(cancel_futures=True)
                raise error


def usable_cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
