"""What every test runs under: one CPU thread, no network, the same random numbers each time."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

# read when a library is imported, so they are set before any test module is
for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[variable] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

torch.set_num_threads(1)  # small convolutions thrash with more


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    """Each test draws from the same start, in whatever order tests run; the outer state is given back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        random.seed(7)
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        yield
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
