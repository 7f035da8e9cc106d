"""Which files are one photo."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

COARSE, FINE = 16, 48  # sides of the grey thumbnails that are compared, pixels
SIMILAR = 0.998  # least correlation of two coarse thumbnails that are looked at closely
SAME = 4.0  # greatest root mean square difference of two fine thumbnails, grey levels of 256
_BLOCK = 1024


def thumbnail(photo: Image.Image) -> np.ndarray:
    """A grey (FINE, FINE) uint8 picture of an image."""
    return np.asarray(photo.convert("L").resize((FINE, FINE), Image.Resampling.BOX))


def same_photo_pairs(thumbnails: np.ndarray) -> np.ndarray:
    """Pairs (P, 2) of different files that show one photo, re-encoded.

    Precision comes first, because a false merge makes two people one: the coarse thumbnails have to correlate almost
    perfectly, and the fine ones to differ by no more than a second compression does.

    Shape:
        thumbnails: (N, FINE, FINE) uint8.
    """
    coarse = _normalised(thumbnails)
    found = []
    for begin in range(0, len(coarse), _BLOCK):
        likeness = coarse[begin : begin + _BLOCK] @ coarse[begin:].T
        first, second = np.nonzero(likeness > SIMILAR)
        later = second > first
        found.append(np.stack([first[later], second[later]], axis=1) + begin)
    pairs = np.concatenate(found)
    if len(pairs) == 0:
        return pairs
    difference = thumbnails[pairs[:, 0]].astype(np.float32) - thumbnails[pairs[:, 1]]
    return pairs[np.sqrt((difference**2).mean(axis=(1, 2))) < SAME]


def photo_ids(digests: list[str], thumbnails: dict[str, np.ndarray]) -> list[str]:
    """A photo id for every row: byte-identical files and re-encoded copies share one, numbered by first appearance."""
    names = list(dict.fromkeys(digests))
    pairs = same_photo_pairs(np.stack([thumbnails[name] for name in names]))
    groups = Groups(names)
    for one, other in pairs:
        groups.join(names[one], names[other])
    return groups.ids(digests, "P", width=6)


class Groups:
    """Disjoint sets that are joined pair by pair."""

    def __init__(self, items: Iterable) -> None:
        self._parent = {item: item for item in items}

    def find(self, item):
        """The item that stands for this one's group."""
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, one, other) -> None:
        """Make one group of two."""
        self._parent[self.find(other)] = self.find(one)

    def ids(self, items: Iterable, letter: str, *, width: int) -> list[str]:
        """An id for every item, the same within a group, numbered by first appearance."""
        numbers: dict = {}
        return [f"{letter}{numbers.setdefault(self.find(item), len(numbers)):0{width}d}" for item in items]


def _normalised(thumbnails: np.ndarray) -> np.ndarray:
    step = FINE // COARSE
    coarse = thumbnails.reshape(-1, COARSE, step, COARSE, step).mean(axis=(2, 4), dtype=np.float32)
    coarse = coarse.reshape(len(thumbnails), -1)
    coarse = coarse - coarse.mean(axis=1, keepdims=True)
    return coarse / np.maximum(np.linalg.norm(coarse, axis=1, keepdims=True), 1e-6)
