"""Photo ids: which files show one photo."""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from aru.core.progress import Progress, silent
from aru.data.copies import SIDE, constant_pictures, find_copies
from aru.data.descriptors import Pictures

COPIES = ("bytes", "encoding", "edit")  # how a file is known as a copy, the strongest evidence first
CONSTANT = "constant"

Item = TypeVar("Item", bound=Hashable)


def thumbnail(photo: Image.Image) -> np.ndarray:
    """A grey (SIDE, SIDE) uint8 picture of an image."""
    return np.asarray(photo.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def photo_ids(files: Sequence[int], thumbnails: Pictures, progress: Progress = silent) -> tuple[list[str], list[str]]:
    """For every row a photo id, numbered by first appearance, and a note of what its file is.

    `files` has the number of each row's file, of which each stands for other bytes, and `thumbnails` a picture of each
    file. Rows of one file share a photo, and so do the pairs of `find_copies`. The note is "bytes", "encoding" or
    "edit" for a copy of an earlier row's photo, "" for a photo's first row, and "constant" for a picture of one grey.
    """
    constant = constant_pictures(thumbnails)
    encodings, photos = DisjointSets[int](), DisjointSets[int]()
    for copy in find_copies(thumbnails, progress):
        photos.union(copy.one, copy.other)
        if copy.kind == "encoding":
            encodings.union(copy.one, copy.other)
    numbers: dict[int, int] = {}
    ids, notes = [], []
    seen = {mark: bytearray(len(thumbnails)) for mark in COPIES}
    for file in files:
        known = dict(zip(COPIES, (file, encodings.find(file), photos.find(file)), strict=True))
        notes.append(CONSTANT if constant[file] else next((mark for mark in COPIES if seen[mark][known[mark]]), ""))
        for mark, place in known.items():
            seen[mark][place] = 1
        ids.append(photo_id(numbers.setdefault(known["edit"], len(numbers))))
    return ids, notes


def photo_id(number: int) -> str:
    """The id of the photo of this number: P000000 of 0."""
    return f"P{number:06d}"


class DisjointSets(Generic[Item]):
    """Disjoint sets (union-find); an item that was never merged is a set of its own."""

    def __init__(self) -> None:
        self._parent: dict[Item, Item] = {}

    def find(self, item: Item) -> Item:
        """The representative of the item's set."""
        while (parent := self._parent.get(item, item)) != item:
            self._parent[item] = self._parent.get(parent, parent)
            item = self._parent[item]
        return item

    def union(self, one: Item, other: Item) -> None:
        """Merge the sets of two items; the first one's representative remains."""
        first, second = self.find(one), self.find(other)
        if first != second:
            self._parent[second] = first
