"""The parts of a drawn face: which part each pixel shows, and the box around each."""

from typing import NamedTuple

import numpy as np

from aru.faces.canvas import Array, Covered

PARTS = ("background", "skin", "neck", "hair", "eye", "brow", "nose", "mouth", "ear", "glasses", "clothes")
"""The classes of a part mask, from 0. A beard is hair; glasses are their frames."""
BOXED = ("face", "eye", "mouth")
"""The classes of boxes, from 1: 0 is the background of a detector."""
_BOX_OF = {"skin": "face", "eye": "eye", "mouth": "mouth"}
COLOURS = (
    (0, 0, 0),
    (240, 190, 150),
    (200, 140, 110),
    (90, 60, 30),
    (40, 120, 240),
    (120, 80, 160),
    (250, 220, 90),
    (220, 50, 70),
    (240, 130, 40),
    (60, 200, 200),
    (70, 140, 70),
)
"""Of the parts, in the palette of their PNG files."""


class Box(NamedTuple):
    """The pixels left <= x < right, top <= y < bottom of the photo."""

    part: str
    left: int
    top: int
    right: int
    bottom: int


class Parts:
    """Takes down what is drawn over what, at twice the size of the photo."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._drawn: list[tuple[str, Covered]] = []

    def add(self, part: str, covered: Covered) -> None:
        """A part was drawn here, over all that came before."""
        self._drawn.append((part, covered))

    def mask(self) -> Array:
        """The part that covers most of each pixel of the photo, (size, size) uint8 into PARTS."""
        shares = np.zeros((len(PARTS), 2 * self._size, 2 * self._size), np.float32)
        shares[0] = 1
        for part, (area, coverage) in self._drawn:
            shares[:, area[0], area[1]] *= 1 - coverage
            shares[PARTS.index(part), area[0], area[1]] += coverage
        return shares.reshape(len(PARTS), self._size, 2, self._size, 2).sum((2, 4)).argmax(0).astype(np.uint8)

    def boxes(self) -> list[Box]:
        """The boxes around the face and each eye and the mouth as they were drawn, also where something hides them.

        The face is the oval of the skin, from the crown to the chin. A part outside the photo has no box.
        """
        found = []
        for part, (area, coverage) in self._drawn:
            if part in _BOX_OF:
                whole = np.zeros((2 * self._size, 2 * self._size), bool)
                whole[area] = coverage > 0.5
                rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
                if len(rows):
                    left, top = int(columns[0]) // 2, int(rows[0]) // 2
                    found.append(Box(_BOX_OF[part], left, top, int(columns[-1]) // 2 + 1, int(rows[-1]) // 2 + 1))
        return found
