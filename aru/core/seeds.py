"""One seed in the parameters, one stream of random numbers for each purpose."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def draw_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose: streams of different purposes do not meet."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big")


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose."""
    return torch.Generator().manual_seed(draw_seed(seed, purpose))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generators of PyTorch, Python and NumPy from this seed for a block; then as they were.

    For functions of a caller's, which draw from what they please. Of PyTorch's states only that of the CPU is given back.
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
