"""Photo ids: which files show one photo."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from aru.data.copies import SIDE, find_copies, is_constant

COPIES = ("bytes", "encoding", "edit")  # how a file is known as a copy, the strongest evidence first
CONSTANT = "constant"

Item = TypeVar("Item", bound=Hashable)


def thumbnail(photo: Image.Image) -> np.ndarray:
    """A grey (SIDE, SIDE) uint8 picture of an image."""
    return np.asarray(photo.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def photo_ids(digests: list[str], thumbnails: dict[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """For every row a photo id, numbered by first appearance, and a note of what its file is.

    Byte-identical files share a photo, and so do the pairs of `find_copies`. The note is "bytes", "encoding" or
    "edit" for a copy of an earlier row's photo, "" for a photo's first row, and "constant" for a picture of one grey.
    """
    names = list(dict.fromkeys(digests))
    constant = {name for name in names if is_constant(thumbnails[name])}
    encodings, photos = DisjointSets(names), DisjointSets(names)
    for copy in find_copies(np.stack([thumbnails[name] for name in names])):
        photos.union(names[copy.one], names[copy.other])
        if copy.kind == "encoding":
            encodings.union(names[copy.one], names[copy.other])
    numbers: dict[str, int] = {}
    ids, notes = [], []
    seen: set[tuple[str, str]] = set()
    for name in digests:
        known = [("bytes", name), ("encoding", encodings.find(name)), ("edit", photos.find(name))]
        notes.append(CONSTANT if name in constant else next((mark[0] for mark in known if mark in seen), ""))
        seen.update(known)
        ids.append(f"P{numbers.setdefault(photos.find(name), len(numbers)):06d}")
    return ids, notes


class DisjointSets(Generic[Item]):
    """Disjoint sets (union-find)."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._parent = {item: item for item in items}

    def find(self, item: Item) -> Item:
        """The representative of the item's set."""
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def union(self, one: Item, other: Item) -> None:
        """Merge the sets of two items; the first one's representative remains."""
        self._parent[self.find(other)] = self.find(one)
