"""Which of its paths a layer takes: the plain one, torch alone, or a faster one where the device has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from threading import Lock

import torch
from torch import Tensor

FEWEST, MANY = 8, 32  # hypotheses that go through a compiled step together: worth a thread, and what its cache holds
_FAST = ContextVar("fast", default=find_spec("numba") is not None)


@contextmanager
def switched(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    """Within this block the variable has this value."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def plain_paths() -> AbstractContextManager[None]:
    """Within this block every layer takes its plain path: to compare with, and to measure against."""
    return switched(_FAST, False)


def compiled(x: Tensor) -> bool:
    """Whether tensors like this one may go through code that numba compiles: float32, on a CPU, not empty."""
    return _FAST.get() and x.device.type == "cpu" and x.dtype == torch.float32 and bool(x.numel())


def fused(x: Tensor) -> bool:
    """Whether whole sequences like this one go through kernels that also multiply matrices."""
    if not compiled(x):
        return False
    from multimodel.layers import kernels_cpu  # numba takes a second to import

    return kernels_cpu.PRODUCTS


def compiling(device: torch.device, module: str) -> str:
    """What to tell before kernels of this file of layers are compiled, where they have to be; else nothing."""
    if not compiled(torch.zeros(1, device=device)):
        return ""
    from multimodel.layers import kernels_cpu

    return "" if kernels_cpu.are_compiled(module) else "compiling kernels, once after an installation: a minute or two"


def shares(hypotheses: int) -> int:
    """How many parts of the hypotheses go through a compiled step side by side, whatever the number of threads."""
    return min(-(-hypotheses // FEWEST), max(2, -(-hypotheses // MANY)))


class _Searches:
    """Those that now run on one thread, in any of Python's threads, and how many threads torch had before the first.

    A Python thread that is new takes over what torch was set to last, which may be another search's one.
    """

    def __init__(self) -> None:
        self.lock, self.count, self.threads = Lock(), 0, 1

    def begin(self) -> int:
        """The number of threads to go back to."""
        with self.lock:
            if not self.count:
                self.threads = torch.get_num_threads()
            self.count += 1
            return self.threads

    def end(self) -> None:
        """One search less."""
        with self.lock:
            self.count -= 1


_SEARCHES = _Searches()


@contextmanager
def threads_for_steps(hypotheses: Tensor) -> Iterator[None]:
    """One thread within this block where steps are compiled and a few hypotheses leave too little to share.

    A second thread that has to wait for a busy core would hold up the first at every operator.
    """
    if shares(len(hypotheses)) > 1 or not steps_compiled(hypotheses):
        yield
        return
    usual = _SEARCHES.begin()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)
        _SEARCHES.end()


def steps_compiled(x: Tensor) -> bool:
    """Whether to decode through compiled steps, given something like what goes through them."""
    return not torch.is_grad_enabled() and compiled(x)
