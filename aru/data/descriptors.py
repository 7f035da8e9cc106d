"""Perceptual descriptors of grey pictures: cells without their mean, of unit length, so that a product is a correlation."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from aru.data.alignment import Window, cell_means

CELLS = 16  # a side of the descriptor
MIN_CORRELATION = 0.93  # least correlation of two descriptors of one photo
BLOCK = 512  # pictures at once

_TURNS = tuple(Window(turn=turn) for turn in range(8))
_CROPS = tuple(Window(scale=scale, turn=turn) for scale in (0.95, 0.9, 0.85, 0.8) for turn in (0, 1))
_CORNERS = tuple(Window(scale=0.95, right=right, down=down) for right in (-0.05, 0.05) for down in (-0.05, 0.05))
VIEWS = (*_TURNS, *_CROPS, *_CORNERS)


class Pictures(Protocol):
    """Grey pictures of one size by number: an array (N, S, S) uint8, or a file of them."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


def descriptors(pictures: Pictures, window: Window) -> np.ndarray:
    """Unit vectors (N, CELLS²) float32 of a window of each picture."""
    parts = [_centred(cell_means(pictures[rows], window, CELLS)) for rows in blocks_of(len(pictures))]
    vectors = np.concatenate(parts) if parts else np.empty((0, CELLS**2), dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def blocks_of(count: int, size: int = BLOCK) -> Iterator[np.ndarray]:
    """The numbers from 0 to `count`, `size` at a time."""
    for begin in range(0, count, size):
        yield np.arange(begin, min(begin + size, count))


def _centred(means: np.ndarray) -> np.ndarray:
    vectors = means.reshape(len(means), -1)
    return vectors - vectors.mean(axis=1, keepdims=True)
