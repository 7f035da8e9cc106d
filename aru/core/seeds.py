"""One seed in the parameters, one stream of random numbers for each purpose."""

import hashlib

import torch


def draw_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose: streams of different purposes do not meet."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big")


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose."""
    return torch.Generator().manual_seed(draw_seed(seed, purpose))
