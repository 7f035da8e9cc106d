"""Eyes and brows, drawn into face coordinates."""

import numpy as np

from aru.faces.canvas import NOWHERE, Array, Covered, NoiseBank, blend, cover, cut, shade, smooth, tinted, window
from aru.faces.look import Look
from aru.faces.shot import Shot

_BLACK = np.array([0.06, 0.04, 0.04])


def draw_eye(rgb: Array, x: Array, y: Array, side: int, look: Look, shot: Shot, edge: float) -> Covered:
    """One eye; `side` is -1 or 1, and x, y are face coordinates."""
    shape = look.shape
    area = window(side * x - shape.eye_x, y, (-0.32, -0.24, 0.32, 0.22))
    rgb, x, y = cut(rgb, area), side * x[area] - shape.eye_x, y[area]
    if not rgb.size:
        return NOWHERE
    tilted = y + shape.eye_tilt * x
    t = np.clip(x / shape.eye_width, -1.3, 1.3)
    opening = shape.eye_open * (1 - 0.45 * shot.squint * (shot.smile > 0.2)) * (1 + 0.1 * shot.brow_raise)
    rim = np.clip(1 - np.abs(t) ** 2.2, 0, 1)
    upper = -opening * rim * (1 + 0.12 * t)
    lower = 0.62 * opening * rim
    gap = np.maximum(upper - tilted, tilted - lower)
    eye = cover(np.maximum(gap, np.abs(x) - shape.eye_width), edge)
    _sockets(rgb, t, tilted, upper, lower, look, edge)
    blend(rgb, eye, tinted(np.array([0.93, 0.91, 0.89]), 1 - 0.25 * np.clip(np.abs(t), 0, 1) ** 2))
    _iris(rgb, eye, side, x, tilted, look, shot, edge)
    shade(rgb, eye * smooth(0.06, 0.0, tilted - upper), 0.62)
    _lashes(rgb, t, tilted, upper, lower, look, edge)
    return area, eye


def _sockets(rgb: Array, t: Array, y: Array, upper: Array, lower: Array, look: Look, edge: float) -> None:
    """The fold above the eye, the lid, and what tiredness and age leave under it."""
    near = smooth(1.25, 0.7, np.abs(t))
    fold = 0.018 + 0.030 * (1 - min(look.shape.lid, 1))
    crease = np.abs(y - (upper - fold - 0.012 * (1 - t * t))) - 0.004
    shade(rgb, 0.55 * near * cover(crease, 0.022), 0.60)
    shade(rgb, 0.30 * near * cover(np.maximum(upper - fold - y, y - upper), 0.02), 0.80)
    bag = lower + 0.045 + 0.03 * (1 - np.clip(t, -1, 1) ** 2)
    shade(rgb, 0.50 * look.skin.bags * near * np.exp(-(((y - bag) / 0.022) ** 2)), np.array([0.72, 0.66, 0.68]))
    shade(
        rgb,
        0.35 * look.skin.bags * near * smooth(0.0, 0.02, y - lower) * smooth(0.02, -0.01, y - bag),
        np.array([0.93, 0.86, 0.88]),
    )


def _iris(rgb: Array, eye: Array, side: int, x: Array, y: Array, look: Look, shot: Shot, edge: float) -> None:
    radius = look.iris_size
    dx = x - side * 0.045 * shot.gaze[0]
    dy = y + 0.012 - 0.02 * shot.gaze[1]
    away = np.hypot(dx, dy)
    ring = 0.62 + 0.55 * smooth(radius * 0.3, radius * 0.75, away) - 0.75 * smooth(radius * 0.75, radius, away)
    fibres = 1 + 0.12 * np.sin(19 * np.arctan2(dy, dx))
    blend(rgb, eye * cover(away - radius, edge), np.clip(tinted(look.iris, ring * fibres * 1.25), 0.02, 1))
    blend(rgb, eye * cover(away - 0.42 * radius, edge), _BLACK)
    lx, ly = side * shot.light[0] * 0.4 * radius, shot.light[1] * 0.6 * radius - 0.2 * radius
    blend(rgb, 0.92 * eye * cover(np.hypot(dx - lx, dy - ly) - 0.24 * radius, edge), np.ones(3))
    blend(rgb, 0.30 * eye * cover(np.hypot(dx + lx, dy + ly) - 0.2 * radius, edge * 2), np.ones(3))


def _lashes(rgb: Array, t: Array, y: Array, upper: Array, lower: Array, look: Look, edge: float) -> None:
    ends = smooth(1.10, 0.92, np.abs(t))
    thick = 0.007 + 0.011 * look.lashes * (1 + 0.6 * np.clip(t, -1, 1))
    blend(rgb, (0.70 + 0.25 * look.lashes) * ends * cover(np.abs(y - upper + 0.3 * thick) - thick, edge), _BLACK)
    if look.lashes > 0.5:
        wing = np.abs(y - upper + 0.03 * smooth(0.5, 1.2, t)) - 0.008
        blend(rgb, 0.8 * smooth(0.3, 0.8, t) * smooth(1.28, 1.1, t) * cover(wing, edge), _BLACK)
    shade(rgb, 0.45 * ends * cover(np.abs(y - lower) - 0.006, edge), 0.55)


def draw_brow(rgb: Array, x: Array, y: Array, side: int, look: Look, shot: Shot, bank: NoiseBank, edge: float) -> Covered:
    """One eyebrow: a tapering band of fine hairs."""
    shape = look.shape
    area = window(side * x, y - shape.brow_y, (0.06, -0.20, 0.70, 0.16))
    rgb, x, y = cut(rgb, area), side * x[area], y[area]
    if not rgb.size:
        return NOWHERE
    t = (x - 0.125) / 0.47
    raised = 0.025 * shot.brow_raise + 0.012 * side * shot.gaze[0]
    arch = shape.brow_y - raised - shape.brow_arch * np.sin(np.pi * np.clip(t, 0, 1) ** 1.5) + 0.035 * t
    thick = shape.brow_weight * np.clip(1.15 - 0.85 * t, 0.12, 1) * smooth(-0.06, 0.10, t)
    hairs = bank.look_up(bank.strand, 190 * (x + 0.9 * (y - arch)), 90 * y)
    body = cover(np.abs(y - arch) - thick, 0.022) * smooth(1.04, 0.9, t) * smooth(-0.04, 0.05, t)
    blend(
        rgb,
        np.clip(body * (0.82 + 0.12 * hairs), 0, 1) * (0.55 + 0.45 * min(1, look.age / 12)),
        look.hair.brows,
    )
    return area, body
