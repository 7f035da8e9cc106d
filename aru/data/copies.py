"""Copies of one photo among many files: a search by perceptual descriptors, then an exact check of each pair found.

docs/protocol.md, "Copies", has what is found and what is not, with figures, beside three libraries of perceptual hashes.

1. **Search.** A picture's descriptor is its grey cells, centred and of unit length: brightness and contrast do not matter, and
   the correlation of two of them is one product. Each picture is compared with the others as it is, in its eight
   mirrorings and turns, and cropped in several ways (the views); a pair that correlates in one of them is a candidate.
2. **Check.** The candidate is aligned with the other picture (`aru.data.alignment`); the variance that remains decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aru.data.alignment import Window, align, cell_means

SIDE = 48  # of the grey thumbnails, pixels
CELLS = 16  # a side of the descriptor
MIN_CORRELATION = 0.93  # least correlation of two descriptors
MIN_EXPLAINED = 0.98  # least part of a picture's variance that its copy, laid on it, explains
MIN_OVERLAP = 0.6  # least part of the copy's area that lies on the other picture
MAX_ENCODING_DIFFERENCE = (
    4.0  # greatest root mean square difference of two thumbnails that differ in their encoding alone, levels of 256
)
MIN_DEVIATION = 4.0  # least standard deviation of a thumbnail that can be compared, levels of 256
MAX_CONSTANT_RANGE = 2  # greatest range of the levels of a constant picture
_BLOCK = 512

_TURNS = tuple(Window(turn=turn) for turn in range(8))
_CROPS = tuple(Window(scale=scale, turn=turn) for scale in (0.95, 0.9, 0.85, 0.8) for turn in (0, 1))
_CORNERS = tuple(Window(scale=0.95, right=right, down=down) for right in (-0.05, 0.05) for down in (-0.05, 0.05))
VIEWS = (*_TURNS, *_CROPS, *_CORNERS)


@dataclass(frozen=True)
class Copy:
    """Two files of one photo, by their positions.

    `explained` is the part of the variance that is the same after alignment; `kind` tells a second encoding (of any size)
    from an edit: mirrored, turned, cropped, brighter or darker.
    """

    one: int
    other: int
    explained: float
    kind: Literal["encoding", "edit"]


def find_copies(thumbnails: np.ndarray) -> list[Copy]:
    """All pairs of different files that show one photo, in order of their positions.

    Precision comes first, because a false pair can make two people one. Pictures that hardly vary take no part.

    Shape:
        thumbnails: (N, SIDE, SIDE) uint8.
    """
    informative = np.flatnonzero([picture.std() >= MIN_DEVIATION for picture in thumbnails])
    pictures = thumbnails[informative]
    found = []
    for first, second, window in _candidates(pictures):
        explained, overlap = align(pictures[first], pictures[second], window)
        for place in np.flatnonzero((explained >= MIN_EXPLAINED) & (overlap >= MIN_OVERLAP)):
            one, other = sorted((int(informative[first[place]]), int(informative[second[place]])))
            kind = _kind(thumbnails[one], thumbnails[other])
            found.append(Copy(one, other, round(float(explained[place]), 4), kind))
    return sorted(found, key=lambda copy: (copy.one, copy.other))


def is_constant(thumbnail: np.ndarray) -> bool:
    """Whether a picture shows nothing: every pixel of one grey."""
    return int(thumbnail.max()) - int(thumbnail.min()) <= MAX_CONSTANT_RANGE


def _candidates(pictures: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, Window]]:
    """Pairs of pictures whose descriptors correlate, each pair with the view in which they correlate most.

    The second picture of a pair may be a copy of that window of the first one.
    """
    plain = _descriptors(pictures, VIEWS[0])
    found = [np.empty((0, 4))]
    for view, window in enumerate(VIEWS):
        seen = _descriptors(pictures, window)
        for begin in range(0, len(pictures), _BLOCK):
            correlation = seen[begin : begin + _BLOCK] @ plain.T
            first, second = np.nonzero(correlation > MIN_CORRELATION)
            values = correlation[first, second]
            first = first + begin
            other = first != second
            found.append(np.stack([first, second, np.full_like(first, view), values], axis=1)[other])
    pairs = np.concatenate(found)
    pairs = pairs[np.argsort(-pairs[:, 3], kind="stable")]
    unordered = np.sort(pairs[:, :2].astype(np.int64), axis=1)
    _, best = np.unique(unordered, axis=0, return_index=True)
    for view in np.unique(pairs[best, 2]):
        first, second = pairs[best[pairs[best, 2] == view], :2].astype(np.int64).T
        yield first, second, VIEWS[int(view)]


def _descriptors(pictures: np.ndarray, window: Window) -> np.ndarray:
    """Unit vectors (N, CELLS²) float32 of a window, without its mean."""
    parts = [
        _centred(cell_means(pictures[begin : begin + _BLOCK], window, CELLS)) for begin in range(0, len(pictures), _BLOCK)
    ]
    vectors = np.concatenate(parts) if parts else np.empty((0, CELLS**2), dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def _centred(means: np.ndarray) -> np.ndarray:
    vectors = means.reshape(len(means), -1)
    return vectors - vectors.mean(axis=1, keepdims=True)


def _kind(one: np.ndarray, other: np.ndarray) -> Literal["encoding", "edit"]:
    difference = one.astype(np.float32) - other
    return "encoding" if float(np.sqrt((difference**2).mean())) < MAX_ENCODING_DIFFERENCE else "edit"
