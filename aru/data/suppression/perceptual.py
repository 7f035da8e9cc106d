"""Perceptual hashes that match approximately although each part of them is keyed: many short bands, of which some agree.

A photo's grey thumbnail becomes low frequencies of its cosine transform, weighted by the square root of the frequency: what
faces have in common counts less, what tells two photos apart more. A band is the signs of 16 random projections of it. Two
pictures at an angle a agree on a band with probability (1 - a / pi) to the power of 16 (Charikar, 2002). A photo on the list
has the bands of several crops of it (the views); a photo that is looked up has those of its eight mirrorings and turns. As
many equal bands as `MIN_EQUAL` in one view are a match. docs/erasure.md has the measured recall and false matches.
"""

from functools import cache

import numpy as np

from aru.data.alignment import Window, cell_means

BANDS = 64
SIGNS = 16
"""Of a band; one agrees in 1 of 65,536 unrelated pictures."""
MIN_EQUAL = 12
"""Equal bands from which a photo counts as one of the list."""
MIN_DEVIATION = 4.0  # of a thumbnail's levels: pictures that hardly vary would match one another
_CELLS, _FREQUENCIES = 16, 12
_SEED = 7406  # of the projections: the same picture has the same bands
_SCALES = (0.965, 0.93, 0.9)
VIEWS = (
    Window(),
    *(
        Window(scale, right * (1 - scale), down * (1 - scale))
        for scale in _SCALES
        for right in (-1, 0, 1)
        for down in (-1, 0, 1)
    ),
)
"""Of a photo on the list: the whole, and what remains when 3.5, 7 and 10 % of both sides are cut off at various edges."""
TURNS = tuple(Window(turn=turn) for turn in range(8))


def bands_of(pictures: np.ndarray, windows: tuple[Window, ...]) -> np.ndarray:
    """The bands of windows of grey pictures: (N, S, S) uint8 -> (N, len(windows), BANDS) uint16."""
    places = 1 << np.arange(SIGNS, dtype=np.uint32)
    found = [_vectors(pictures, window) @ _projections() > 0 for window in windows]
    signs = np.stack(found, axis=1).reshape(len(pictures), len(windows), BANDS, SIGNS)
    return (signs @ places).astype(np.uint16)


def informative(picture: np.ndarray) -> bool:
    """Whether a grey picture (S, S) varies enough to be told from others."""
    return float(picture.std()) >= MIN_DEVIATION


def _vectors(pictures: np.ndarray, window: Window) -> np.ndarray:
    """Weighted low frequencies (N, F) float32 without the mean; their length has no effect on signs."""
    cosines = _cosines()
    spectrum = cosines @ cell_means(pictures, window, _CELLS) @ cosines.T
    squares = np.arange(_FREQUENCIES) ** 2
    weights = np.add.outer(squares, squares).astype(np.float32) ** 0.25
    return (spectrum * weights).reshape(len(pictures), -1)


@cache
def _cosines() -> np.ndarray:
    """The first rows (_FREQUENCIES, _CELLS) of the orthonormal cosine transform (DCT-II)."""
    angles = np.outer(np.arange(_FREQUENCIES), 2 * np.arange(_CELLS) + 1) * np.pi / (2 * _CELLS)
    rows = np.cos(angles) * np.sqrt(2 / _CELLS)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


@cache
def _projections() -> np.ndarray:
    return np.random.default_rng(_SEED).normal(size=(_FREQUENCIES**2, BANDS * SIGNS)).astype(np.float32)


class BandIndex:
    """Hashed bands of many views, looked up without a comparison with each.

    Shape:
        views: (V, BANDS) uint32.
    """

    def __init__(self, views: np.ndarray) -> None:
        keys = _with_place(views)
        order = np.argsort(keys, axis=None, kind="stable")
        self._keys, self._views = keys.ravel()[order], order // BANDS

    def matches(self, bands: np.ndarray) -> set[int]:
        """The numbers of the views that share at least `MIN_EQUAL` bands with one of these rows (W, BANDS) uint32."""
        found: set[int] = set()
        for row in _with_place(bands):
            begin, end = (np.searchsorted(self._keys, row, side) for side in ("left", "right"))
            equal = [self._views[first:last] for first, last in zip(begin, end, strict=True) if last > first]
            if equal:
                views, count = np.unique(np.concatenate(equal), return_counts=True)
                found.update(views[count >= MIN_EQUAL].tolist())
        return found


def _with_place(bands: np.ndarray) -> np.ndarray:
    """Bands (N, BANDS) as uint64 that are equal only at one place."""
    return (np.arange(BANDS, dtype=np.uint64) << np.uint64(32)) | bands.astype(np.uint64)
