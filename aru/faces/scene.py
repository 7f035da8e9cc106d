"""Behind the face and before it: the background and the camera."""

import numpy as np
from PIL import Image, ImageFilter

from aru.faces.canvas import Array, NoiseBank, bell, blend, cover, enlarge, smooth, tinted
from aru.faces.shot import Shot


def background(shot: Shot, bank: NoiseBank, size: int) -> Array:
    """A blurred wall, window, garden, street of lights or curtain, (3, size, size)."""
    y, x = np.mgrid[0:64, 0:64].astype(np.float32) / 63
    ox, oy = shot.texture
    broad = bank.look_up(bank.broad, 160 * x + ox, 160 * y + oy)
    soft = bank.look_up(bank.soft, 120 * x + oy, 120 * y + ox)
    wall = tinted(shot.wall, 1.05 - 0.22 * y + 0.10 * shot.light[0] * (x - 0.5))
    other = np.roll(shot.wall, 1) * 0.8 + 0.1
    if shot.background == 0:
        wall *= 1 + 0.05 * broad
    elif shot.background == 1:
        pane = smooth(0.0, 0.06, 0.30 - np.abs(x - (ox / 256))) * smooth(0.0, 0.06, 0.75 - y)
        blend(wall, 0.8 * pane, np.array([0.93, 0.95, 0.97]))
    elif shot.background == 2:
        leaf = tinted(np.array([0.30, 0.33, 0.17]), np.clip(1.1 + 0.5 * broad + 0.22 * soft, 0.4, 2))
        blend(wall, np.full_like(x, 0.65), leaf)
    elif shot.background == 3:
        wall *= 0.55
        for index in range(7):
            cx, cy = (ox * (index + 1) * 0.37) % 1, (oy * (index + 2) * 0.23) % 0.8
            disc = cover(np.hypot(x - cx, y - cy) - 0.05 - 0.03 * (index % 3), 0.05)
            wall += tinted(np.roll(other, index) + 0.25, 0.35 * disc)
    else:
        wall *= 1 + 0.10 * np.sin(2 * np.pi * (5 * x + 0.2 * broad) + ox)
    return np.stack([enlarge(plane, size) for plane in wall])


def develop(rgb: Array, shot: Shot, rng: np.random.Generator) -> Array:
    """The camera: halve the supersampled picture, then exposure, colour, blur and grain; (H, W, 3) uint8."""
    pairs = rgb[:, ::2] + rgb[:, 1::2]
    half = (0.25 * (pairs[:, :, ::2] + pairs[:, :, 1::2])).transpose(1, 2, 0)
    grey = half @ np.array([0.30, 0.59, 0.11], np.float32)
    half = half + shot.monochrome * (grey[..., None] - half)
    half = (half * np.float32(shot.tint * shot.exposure) - 0.5) * shot.contrast + 0.5
    half = half + shot.grain * rng.standard_normal((*half.shape[:2], 1), np.float32)
    picture = np.clip(255 * half + 0.5, 0, 255).astype(np.uint8)
    if shot.blur > 0.25:
        picture = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(shot.blur)))
    return picture


def vignette(size: int) -> Array:
    """A soft darkening of the corners, (size, size)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / (size - 1) - 0.5
    return 0.90 + 0.10 * bell(x, y, 0.45, 0.45)
