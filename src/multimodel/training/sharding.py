"""Weights, gradients and moments cut among the processes: torch's FSDP2, for models larger than one device.

Checkpoints go through torch.distributed.checkpoint as safetensors (its other format holds pickles) and are made whole:
any number of processes, or one alone, goes on from them.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from multimodel.layers.attention import AttentionBlock
from multimodel.layers.convolution import ConvBlock
from multimodel.layers.experts import DenseExpert, MixtureOfExperts
from multimodel.model import MultiModel
from multimodel.training.tensors import as_os_error, write_tensors

UNITS = (ConvBlock, AttentionBlock, MixtureOfExperts, DenseExpert)
METHODS = ("bottom", "embed", "top")  # by which the model calls its nets, instead of `forward`
WHOLE = "model-00001-of-00001.safetensors"  # torch's name for it


def units(model: MultiModel) -> list[nn.Module]:
    """What is made whole at one time: each block of the body, each modality net; what is left is the last unit."""
    return [*(part for part in model.modules() if isinstance(part, UNITS)), *model.nets.values()]


def shard(model: MultiModel) -> None:
    """Leave this process its part of every parameter; the others are there only while they are used."""
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    # nobody changes a net's output in place
    warnings.filterwarnings("ignore", r"FSDP2-wrapped module .* returned a view tensor")
    for unit in units(model):
        fully_shard(unit)
    for net in model.nets.values():
        for method in METHODS:
            if method in dir(net):
                register_fsdp_forward_method(net, method)
    fully_shard(model)


def is_sharded(model: nn.Module) -> bool:
    """Whether this process has but a part of the model."""
    return any(type(parameter.data) is not Tensor for parameter in model.parameters())


def whole(number: Tensor) -> float:
    """A number of which every process may have a part."""
    return float(number if type(number) is Tensor else number.full_tensor())  # type: ignore[attr-defined]


def write_sharded(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write one file of tensors of which each process has a part; all processes call this together."""
    import torch.distributed as distributed
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    folder = path.with_suffix(".parts")
    if tensors:
        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True, enable_consolidation=True)
        try:
            save(dict(tensors), storage_writer=writer)
        except CheckpointException as error:
            raise as_os_error(error) from error
    if distributed.get_rank() == 0:
        if tensors:
            (folder / WHOLE).replace(path)
            shutil.rmtree(folder)
        else:  # before the first step there are no moments
            write_tensors(tensors, path)
    distributed.barrier()


def read_sharded(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fill tensors of which each process has a part from the files in a folder; all processes call this together."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    load(dict(tensors), storage_reader=HuggingFaceStorageReader(str(folder)))
