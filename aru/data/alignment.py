"""Image registration: an affine map (shift, scale, small rotation) and a brightness curve that align one picture with another.

Gauss-Newton on the squared difference (Lucas and Kanade, 1981), for many pairs at once. Coordinates run from -1 to 1 on
both axes, right and down.
"""

from dataclasses import dataclass

import numpy as np

STEPS = 10
_BATCH = 128  # pairs at once
_STRIDE = 2  # of the pixels that steer the steps; all of them are compared in the end
_MAX_STEP = 0.1  # of the affine map's parameters
_RIDGE = 1e-3  # keeps the equations of a flat picture solvable


@dataclass(frozen=True)
class Window:
    """The part of a picture that a copy may show: a square of `scale` times its side, off the centre, then turned.

    Bits of `turn`: 1 mirrors left and right, 2 top and bottom, 4 the diagonal. A turned window is in the centre.
    """

    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0
    turn: int = 0


def reoriented(pictures: np.ndarray, turn: int) -> np.ndarray:
    """Pictures (N, S, S) mirrored as the bits of `turn` say."""
    if turn & 1:
        pictures = pictures[:, :, ::-1]
    if turn & 2:
        pictures = pictures[:, ::-1]
    return pictures.transpose(0, 2, 1) if turn & 4 else pictures


def cell_means(pictures: np.ndarray, window: Window, count: int) -> np.ndarray:
    """The means (N, count, count) float32 of equal cells of a window of pictures (N, S, S)."""
    side = pictures.shape[-1]
    across, along = (_cell_weights(side, window.scale, shift, count) for shift in (window.right, window.down))
    return reoriented(along @ pictures.astype(np.float32) @ across.T, window.turn)


def _cell_weights(side: int, scale: float, shift: float, count: int) -> np.ndarray:
    """The weight of each pixel in each cell of one axis, rows of sum 1: (count, side)."""
    edges = (1 + shift - scale) / 2 * side + np.arange(count + 1) * scale * side / count
    pixels = np.arange(side)
    share = np.clip(np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, None)
    return (share / share.sum(axis=1, keepdims=True)).astype(np.float32)


def align(pictures: np.ndarray, copies: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """How well each copy explains its picture after alignment: (share of the variance, overlap as a share of the copy).

    The search begins at `window`. Brightness may follow any parabola, which fits gains, offsets and common gammas.

    Shape:
        pictures, copies: (P, S, S); both results (P,) float, the first at most 1.
    """
    if len(pictures) > _BATCH:
        parts = [
            align(pictures[begin : begin + _BATCH], copies[begin : begin + _BATCH], window)
            for begin in range(0, len(pictures), _BATCH)
        ]
        explained, overlap = (np.concatenate(part) for part in zip(*parts, strict=True))
        return explained, overlap
    image = _blurred(reoriented(pictures, window.turn).astype(np.float32))
    template = _blurred(copies.astype(np.float32))
    slopes = np.gradient(image, axis=2), np.gradient(image, axis=1)
    affine = np.tile(
        np.array([window.scale, 0, window.right, 0, window.scale, window.down], dtype=np.float32), (len(image), 1)
    )
    coarse = _Grid(template, _STRIDE)
    for _ in range(STEPS):
        affine += np.clip(coarse.step(image, slopes, affine), -_MAX_STEP, _MAX_STEP)
    return _Grid(template, 1).explained(image, affine)


class _Grid:
    """Pixels of the copies (the template), and their coordinates in the pictures under an affine map."""

    def __init__(self, template: np.ndarray, stride: int) -> None:
        count, side, _ = template.shape
        self._half = (side - 1) / 2
        along, across = np.meshgrid(*[(np.arange(0, side, stride) - self._half) / self._half] * 2, indexing="ij")
        self._x, self._y = across.ravel().astype(np.float32), along.ravel().astype(np.float32)
        bright = template[:, ::stride, ::stride].reshape(count, -1) / 128 - 1
        self._curve = np.stack([np.ones_like(bright), bright, bright**2], axis=2)

    def step(self, image: np.ndarray, slopes: tuple[np.ndarray, np.ndarray], affine: np.ndarray) -> np.ndarray:
        """The change of the affine maps (P, 6) that reduces the squared difference (one Gauss-Newton step)."""
        x, y, inside = self._coordinates(affine)
        sloped = [_sample(slope, x, y)[:, :, None] * self._half for slope in slopes]
        place = np.stack([self._x, self._y, np.ones_like(self._x)], axis=1)
        jacobian = np.concatenate([sloped[0] * place, sloped[1] * place, -self._curve], axis=2) * inside[:, :, None]
        return -_least_squares(jacobian, _sample(image, x, y) * inside)[:, :6]

    def explained(self, image: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The share of the pictures' variance that the copies explain, and the overlap as a share of the copy."""
        x, y, inside = self._coordinates(affine)
        below = _sample(image, x, y) * inside
        area = np.maximum(inside.sum(axis=1), 1)
        curve = self._curve * inside[:, :, None]
        rest = below - (curve @ _least_squares(curve, below)[:, :, None])[:, :, 0]
        variance = (((below - (below.sum(axis=1) / area)[:, None]) * inside) ** 2).sum(axis=1)
        return 1 - (rest**2).sum(axis=1) / np.maximum(variance, 1e-6), area / inside.shape[1]

    def _coordinates(self, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x = affine[:, 0:1] * self._x + affine[:, 1:2] * self._y + affine[:, 2:3]
        y = affine[:, 3:4] * self._x + affine[:, 4:5] * self._y + affine[:, 5:6]
        inside = ((np.abs(x) <= 1) & (np.abs(y) <= 1)).astype(np.float32)
        return (x + 1) * self._half, (y + 1) * self._half, inside


def _least_squares(columns: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The weights (P, K) of columns (P, N, K) that approximate values (P, N) best, by ridge regression."""
    across = columns.transpose(0, 2, 1)
    ridge = _RIDGE * np.eye(columns.shape[2], dtype=np.float32)
    return np.linalg.solve(across @ columns + ridge, across @ values[:, :, None])[:, :, 0]


def _sample(pictures: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pictures (P, S, S) at coordinates (P, N) in pixels: bilinear interpolation, edge values outside."""
    side = pictures.shape[-1]
    x, y = np.clip(x, 0, side - 1.001), np.clip(y, 0, side - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, down = x - left, y - top
    flat, corner = pictures.reshape(len(pictures), -1), top * side + left
    upper, lower = (
        np.take_along_axis(flat, corner + row, axis=1) * (1 - right)
        + np.take_along_axis(flat, corner + row + 1, axis=1) * right
        for row in (0, side)
    )
    return upper * (1 - down) + lower * down


def _blurred(pictures: np.ndarray) -> np.ndarray:
    """Smoothed by the kernel (1, 2, 1) on each axis, so that gradients are valid for more than one pixel."""
    for axis in (1, 2):
        wide = np.pad(pictures, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode="edge")
        first, middle, last = (np.take(wide, np.arange(begin, begin + pictures.shape[axis]), axis) for begin in range(3))
        pictures = (first + 2 * middle + last) / 4
    return pictures
