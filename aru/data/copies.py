"""Copies of one photo among many files: a search by perceptual descriptors, then an exact check of each pair found.

docs/protocol.md, "Copies", has what is found and what is not, with figures, beside three libraries of perceptual hashes.

1. **Search.** Each picture's descriptor (`aru.data.descriptors`) is compared with the others' as it is, in its eight
   mirrorings and turns, and cropped to several regions (the views); a pair that correlates in one of them is a candidate. Up
   to `ALL_PAIRS` pictures all pairs are compared, of more those that share a block (`aru.data.hashed_pairs`).
2. **Check.** The candidate is aligned with the other picture (`aru.data.alignment`); the variance that remains decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aru.core.progress import Progress, silent
from aru.data.alignment import Window, align
from aru.data.descriptors import BLOCK, MIN_CORRELATION, VIEWS, Pictures, blocks_of, descriptors
from aru.data.hashed_pairs import correlated_in_blocks

SIDE = 48  # of the grey thumbnails, pixels
ALL_PAIRS = 10_000  # most pictures of which all pairs are compared; docs/protocol.md has what both ways take
_DIRECTIONS = 31  # of the descriptors that bound a correlation
_ROUNDING = 1e-4  # of float32 in such a bound
MIN_EXPLAINED = 0.98  # least part of a picture's variance that its copy, laid on it, explains
MIN_OVERLAP = 0.6  # least part of the copy's area that lies on the other picture
MAX_ENCODING_DIFFERENCE = (
    4.0  # greatest root mean square difference of two thumbnails that differ in their encoding alone, levels of 256
)
MIN_DEVIATION = 4.0  # least standard deviation of a thumbnail that can be compared, levels of 256
MAX_CONSTANT_RANGE = 2  # greatest range of the levels of a constant picture


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


def find_copies(thumbnails: Pictures, progress: Progress = silent) -> list[Copy]:
    """All pairs of different files that show one photo, in order of their positions.

    Precision comes first, because a false pair can make two people one. Pictures that hardly vary take no part.

    Shape:
        thumbnails: (N, SIDE, SIDE) uint8.
    """
    pictures = _Some(thumbnails, _informative(thumbnails))
    found = []
    for first, second, window in _candidates(pictures, progress):
        explained, overlap = align(pictures[first], pictures[second], window)
        for place in np.flatnonzero((explained >= MIN_EXPLAINED) & (overlap >= MIN_OVERLAP)):
            one, other = np.sort(pictures.rows[[first[place], second[place]]])
            kind = _kind(*thumbnails[np.array([one, other])])
            found.append(Copy(int(one), int(other), round(float(explained[place]), 4), kind))
    return sorted(found, key=lambda copy: (copy.one, copy.other))


def constant_pictures(thumbnails: Pictures) -> np.ndarray:
    """Whether each picture shows nothing: every pixel of one grey. Shape: (N,) bool."""
    parts = [np.ptp(thumbnails[rows], axis=(1, 2)) <= MAX_CONSTANT_RANGE for rows in blocks_of(len(thumbnails))]
    return np.concatenate(parts) if parts else np.empty(0, bool)


@dataclass(frozen=True)
class _Some:
    """Some rows of pictures."""

    pictures: Pictures
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: np.ndarray, /) -> np.ndarray:
        return self.pictures[self.rows[places]]


def _informative(thumbnails: Pictures) -> np.ndarray:
    parts = [rows[thumbnails[rows].std(axis=(1, 2)) >= MIN_DEVIATION] for rows in blocks_of(len(thumbnails))]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _candidates(pictures: Pictures, progress: Progress) -> Iterator[tuple[np.ndarray, np.ndarray, Window]]:
    """Pairs of pictures whose descriptors correlate, each pair with the view in which they correlate most.

    The second picture of a pair may be a copy of that window of the first one.
    """
    search = _correlated_of_all if len(pictures) <= ALL_PAIRS else correlated_in_blocks
    pairs = np.concatenate([np.empty((0, 4)), *search(pictures, progress)])
    pairs = pairs[np.argsort(-pairs[:, 3], kind="stable")]
    unordered = np.sort(pairs[:, :2].astype(np.int64), axis=1)
    _, best = np.unique(unordered, axis=0, return_index=True)
    done = 0
    for view in np.unique(pairs[best, 2]):
        chosen = pairs[best[pairs[best, 2] == view], :2].astype(np.int64)
        for rows in blocks_of(len(chosen)):
            done += len(rows)
            progress(done, len(best), "check copies")
            yield *chosen[rows].T, VIEWS[int(view)]


def _correlated_of_all(pictures: Pictures, progress: Progress) -> Iterator[np.ndarray]:
    """Rows (first, second, view, correlation), float64, of pairs that correlate, among all pairs.

    Nearly all pairs are passed over by an upper bound of their correlation, which takes an eighth of the arithmetic: no pair
    that correlates is missed by it. With p and q the parts of a descriptor along some directions and across them,
    <d, d'> = <p, p'> + <q, q'>, and by Cauchy and Schwarz at most <p, p'> + |q||q'|: a product of (p, |q|) with (p', |q'|).
    """
    plain = descriptors(pictures, VIEWS[0])
    directions = np.linalg.eigh(plain.T @ plain)[1][:, -_DIRECTIONS:]  # in which the descriptors differ most
    bounding = _bounding(plain, directions).T.copy()
    for view, window in enumerate(VIEWS):
        seen = descriptors(pictures, window)
        left = _bounding(seen, directions)
        for begin in range(0, len(pictures), BLOCK):
            bounds = left[begin : begin + BLOCK] @ bounding
            first, second = np.divmod(np.flatnonzero(bounds > MIN_CORRELATION - _ROUNDING), len(pictures))
            first += begin
            if len(first) > bounds.size // 16:  # pictures so alike that gathering them takes longer than all products
                values = (seen[begin : begin + BLOCK] @ plain.T)[first - begin, second]
            else:
                values = np.einsum("ij,ij->i", seen[first], plain[second])
            chosen = (values > MIN_CORRELATION) & (first != second)
            yield np.stack([first, second, np.full_like(first, view), values], axis=1)[chosen]
        progress(view + 1, len(VIEWS), "find copies")


def _bounding(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The lengths of unit vectors along some directions, and across all of them: (N, directions + 1)."""
    along = vectors @ directions
    across = np.sqrt(np.clip(1 - (along**2).sum(axis=1, keepdims=True), 0, None))
    return np.concatenate([along, across], axis=1)


def _kind(one: np.ndarray, other: np.ndarray) -> Literal["encoding", "edit"]:
    difference = one.astype(np.float32) - other
    return "encoding" if float(np.sqrt((difference**2).mean())) < MAX_ENCODING_DIFFERENCE else "edit"
