"""What each of two processes really holds of a scaled-down `paper`, beside what `multimodel presets --devices` reckons.

    torchrun --standalone --nproc-per-node 2 benchmarks/two_processes.py

Width 256, 60 experts of width 256, speech, pictures and text; float32; random batches of the text net, three steps.
Weights, gradients and moments are counted in the tensors that a process has; resident memory is what the system says.
"""

from __future__ import annotations

import dataclasses
import resource
import time

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.optim import Optimizer

from multimodel.batch import Batch, Net, Route
from multimodel.build import build_model
from multimodel.layers.paths import plain_paths
from multimodel.model import MultiModel
from multimodel.presets import PRESETS
from multimodel.training.gradients import gradients
from multimodel.training.memory import Memory, replicated, sharded
from multimodel.training.processes import Processes
from multimodel.training.sharding import shard
from multimodel.training.trainer import make_optimiser

SIZES = dataclasses.replace(PRESETS["paper"].model, width=256, experts=60, expert_width=256, dropout=0.0)
TRAINING = dataclasses.replace(PRESETS["paper"].training, precision="float32")
NETS = {"text": Net(kind="text", size=8192), "image": Net(kind="image", size=3)}
STEPS, SENTENCES, SYMBOLS = 3, 8, 32


def own_bytes(tensors: list[Tensor]) -> int:
    """Bytes of the parts that this process has."""
    return sum((value if type(value) is Tensor else value.to_local()).nbytes for value in tensors)


def held(model: MultiModel, optimiser: Optimizer) -> tuple[int, int, int]:
    """Bytes of weights, gradients and moments in this process."""
    parameters = [parameter.data for parameter in model.parameters()]
    moments = [value for state in optimiser.state.values() for value in state.values()]
    return (
        own_bytes(parameters),
        own_bytes([p.grad for p in model.parameters() if p.grad is not None]),
        own_bytes(moments),
    )


def batch() -> Batch:
    """Sentences of random symbols."""
    symbols = torch.randint(2, 8192, (SENTENCES, SYMBOLS))
    real = torch.ones_like(symbols, dtype=torch.bool)
    route = Route(bottom="text", top="text", command="to-german")
    return Batch(task="en-de", route=route, inputs=symbols, input_mask=real, targets=symbols, target_mask=real)


def measure(way: str) -> tuple[tuple[int, int, int], float, float]:
    """Bytes held, resident megabytes more than before, and seconds of a step."""
    torch.manual_seed(0)
    before = resident()
    model = build_model(SIZES, NETS, ["to-german"])
    if way == "FSDP2":
        shard(model)
    parallel = Processes(distributed.get_rank(), distributed.get_world_size()).wrap(model)
    optimiser = make_optimiser(model, TRAINING)
    torch.manual_seed(distributed.get_rank())
    for _ in range(STEPS):
        started = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        gradients(parallel, [batch()], TRAINING)
        optimiser.step()
        seconds = time.perf_counter() - started
    return held(model, optimiser), resident() - before, seconds


def resident() -> float:
    """Megabytes of this process in memory."""
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize() / 1e6


def reckoned(memory: Memory) -> tuple[int, int, int]:
    """The same three, by calculation."""
    return memory.weights, memory.gradients, memory.moments


def main() -> None:
    """Print a table in the first process."""
    distributed.init_process_group("gloo")
    torch.set_num_threads(1)
    with torch.device("meta"):
        model = build_model(SIZES, NETS, ["to-german"])
    ways = {"FSDP2": sharded, "DDP": replicated}
    rows = []
    with plain_paths():
        for way, calculate in ways.items():
            found, more, seconds = measure(way)
            wanted = reckoned(calculate(model, 2, "float32"))
            cells = [f"{a / 1e6:.1f} / {b / 1e6:.1f}" for a, b in zip(found, wanted, strict=True)]
            rows.append(f"| {way} | {' | '.join(cells)} | {more:.0f} | {seconds:.2f} |")
    if distributed.get_rank() == 0:
        print("| way | weights, MB: held / reckoned | gradients | moments | resident, MB | s a step |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        print("\n".join(rows))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
