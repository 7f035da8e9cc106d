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
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """The global generators of PyTorch (the CPU's and that of `device`), Python and NumPy begin at `seed`; then as before.

    Functions of a caller's draw from what they please. ``torch.manual_seed`` would seed the generators of all GPUs, also in
    a process that computes on its CPU.
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
        reseed(seed, device)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def reseed(seed: int, device: torch.device | None = None) -> None:
    """Let PyTorch's global generators of the CPU and of `device`, where it is a GPU, begin at `seed`."""
    torch.default_generator.manual_seed(seed)
    if device is not None and device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
