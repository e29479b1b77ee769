"""Several processes that train one model: torch's DistributedDataParallel, or FSDP2 where the model is cut among them.

`torchrun` starts them and tells each its rank. By default all take the same task in a step, and together they see the
same batches as one process would, so their number changes how fast a run is and not what it learns.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
import torch.distributed as distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from multimodel.training.sharding import is_sharded

Value = TypeVar("Value")


class Processes:
    """This process among those that train together; by itself unless `joined` says otherwise."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes checkpoints, logs and messages."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model, its gradients averaged over the processes; parameters that no process used get none."""
        if self.count == 1 or is_sharded(model):
            return model
        # the gradient of a depthwise filter has other strides than the filter; DDP copies it either way
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(model, find_unused_parameters=True)

    def total(self, *values: float | int) -> list[float]:
        """Each value, added up over the processes."""
        if self.count == 1:
            return [float(value) for value in values]
        together = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(together)
        return together.tolist()

    def each(self, value: float) -> list[float]:
        """The number of every process, in the order of ranks."""
        if self.count == 1:
            return [value]
        own = torch.tensor(value, dtype=torch.float64)
        found = [torch.empty_like(own) for _ in range(self.count)]
        distributed.all_gather(found, own)
        return [float(one) for one in found]

    def all_of(self, value: Value) -> list[Value]:
        """What every process has, in the order of ranks."""
        found: list[Value] = [value] * self.count
        if self.count > 1:
            distributed.all_gather_object(found, value)
        return found

    def most(self, value: int) -> int:
        """The largest of what the processes have."""
        if self.count == 1:
            return value
        largest = torch.tensor(value)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.most(0)


def sharing(model: nn.Module) -> Processes:
    """The processes among which a model is cut; one that is whole is this process's alone."""
    return Processes(distributed.get_rank(), distributed.get_world_size()) if is_sharded(model) else Processes()


def is_first() -> bool:
    """Whether this process may speak for all, also before they are joined."""
    return not under_torchrun() or os.environ["RANK"] == "0"


def under_torchrun() -> bool:
    """Whether `torchrun` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that `torchrun` started, connected until the end of the block; outside it, just this one."""
    if not under_torchrun():
        yield Processes()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # connected at first use: to connect all at once hangs now and then on a busy machine, after a restart
    os.environ.setdefault("TORCH_GLOO_LAZY_INIT", "1")
    distributed.init_process_group()
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def unsynchronised(model: nn.Module, skip: bool) -> AbstractContextManager[None]:
    """Where `skip` holds, keep a backward pass's gradients in this process; a later one brings them along."""
    if skip and isinstance(model, DistributedDataParallel):
        return model.no_sync()
    return nullcontext()
