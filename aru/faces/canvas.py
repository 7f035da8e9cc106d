"""Drawing with numpy: coverage of shapes with soft edges, blending, bumps, and banks of seamless noise.

A picture is (3, H, W) float32 in [0, 1]: one plane a channel and no float64 are each several times faster.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Window = tuple[slice, slice]
Covered = tuple[Window, Array]
"""Where a part was drawn: a window of the picture and the part's coverage there, from 0 to 1."""
WHOLE: Window = (slice(None), slice(None))
NOWHERE: Covered = ((slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32))
_BANK = 256


def cover(distance: Array, edge: float) -> Array:
    """Coverage in [0, 1] of a shape by its signed distance (negative inside), over an edge of this width."""
    return np.clip(0.5 - distance / edge, 0, 1)


def smooth(low: float, high: float, x: Array) -> Array:
    """Zero below `low`, one above `high`, and a smooth step between them."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bell(x: Array, y: Array, width: float, height: float) -> Array:
    """A Gaussian bump of height one about the origin."""
    return np.exp(-0.5 * ((x / width) ** 2 + (y / height) ** 2))


def blend(rgb: Array, alpha: Array, colour: Array) -> None:
    """Lay a colour (3,) or picture (3, H, W) over the picture `rgb` in place, by coverage `alpha` (H, W)."""
    for plane, value in zip(rgb, np.asarray(colour, np.float32), strict=True):
        plane += alpha * (value - plane)


def shade(rgb: Array, alpha: Array, factor: Array | float) -> None:
    """Multiply the picture `rgb` in place by `factor` (a number or three) where `alpha` (H, W) covers it."""
    for plane, value in zip(rgb, np.broadcast_to(np.float32(factor), 3), strict=True):
        plane *= 1 + alpha * (value - 1)


def tinted(colour: Array, light: Array) -> Array:
    """A colour (3,) under a light (H, W) or coloured light (3, H, W): a picture (3, H, W)."""
    return np.asarray(colour, np.float32)[:, None, None] * light


def cut(rgb: Array, area: Window) -> Array:
    """The part of a picture in a window, as a view."""
    return rgb[:, area[0], area[1]]


def window(x: Array, y: Array, box: tuple[float, float, float, float]) -> Window:
    """The smallest slices that hold every pixel whose x and y lie in (left, top, right, bottom)."""
    left, top, right, bottom = box
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _between(small: Array, size: int) -> Array:
    """Rows of `small` (h, w) interpolated linearly to `size` rows."""
    place = np.clip((np.arange(size) + 0.5) * len(small) / size - 0.5, 0, len(small) - 1)
    low = np.minimum(place.astype(int), len(small) - 2)
    share = (place - low).astype(np.float32)[:, None]
    return small[low] + share * (small[low + 1] - small[low])


def enlarge(small: Array, size: int) -> Array:
    """A map (h, w) interpolated bilinearly to (size, size)."""
    return np.ascontiguousarray(_between(_between(small.astype(np.float32), size).T, size).T)


@dataclass(frozen=True)
class NoiseBank:
    """Seamless noise textures, each (256, 256) float32 of mean 0 and deviation 1, sampled by position."""

    fine: Array
    soft: Array
    broad: Array
    strand: Array

    def look_up(self, texture: Array, x: Array, y: Array) -> Array:
        """Nearest samples at positions in pixels of the texture, which repeats."""
        return texture[y.astype(np.int32) & (_BANK - 1), x.astype(np.int32) & (_BANK - 1)]


def _filtered(rng: np.random.Generator, across: float, along: float) -> Array:
    """White noise blurred by Gaussians of these deviations (pixels), seamless by the Fourier transform."""
    fx, fy = np.fft.rfftfreq(_BANK), np.fft.fftfreq(_BANK)[:, None]
    keep = np.exp(-2 * np.pi**2 * ((across * fx) ** 2 + (along * fy) ** 2))
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((_BANK, _BANK))) * keep, s=(_BANK, _BANK))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def noise_bank(seed: int = 0) -> NoiseBank:
    """The textures: `fine` for skin, `soft` for cloth, `broad` for leaves, `strand` (long in y) for hair."""
    rng = np.random.default_rng(seed)
    strand = 0.75 * _filtered(rng, 1.0, 24) + 0.65 * _filtered(rng, 3.2, 40)
    return NoiseBank(_filtered(rng, 1.1, 1.1), _filtered(rng, 4, 4), _filtered(rng, 14, 14), strand.astype(np.float32))
