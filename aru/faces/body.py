"""Neck and clothes, in upright coordinates: the body does not tilt with the head."""

import numpy as np

from aru.faces.canvas import Array, Covered, NoiseBank, blend, cover, cut, smooth, tinted, window
from aru.faces.head import Plane
from aru.faces.look import Look
from aru.faces.shot import Shot


def draw_neck(rgb: Array, look: Look, shot: Shot, plane: Plane) -> Covered:
    """The neck, with the shadow of the chin."""
    s = look.shape
    area = window(plane.x, plane.y, (-1.5 * s.neck, 0.3, 1.5 * s.neck, 9))
    rgb, plane = cut(rgb, area), plane.part(area)
    wide = s.neck * (1 + 0.25 * smooth(s.chin, s.chin + 0.45, plane.y) ** 2)
    neck = cover(np.maximum(np.abs(plane.x) - wide, 0.35 - plane.y), 2 * plane.edge)
    light = (
        0.62 + 0.22 * shot.light[0] * plane.x / s.neck - 0.30 * smooth(0.4, 1, np.abs(plane.x) / s.neck) + 0.25 * shot.ambient
    )
    shadow = smooth(0.42, 0.05, plane.v - s.chin - 0.12 * shot.light[0] * plane.u)
    light = light * (1 - 0.40 * shadow)
    light = np.stack([np.clip(light, 0.15, 1) ** power for power in (0.85, 1.05, 1.12)])
    blend(rgb, neck, tinted(look.skin.colour * shot.light_colour, light))
    return area, neck


def draw_clothes(rgb: Array, look: Look, shot: Shot, plane: Plane, bank: NoiseBank) -> Covered:
    """Shoulders, a collar, and cloth with folds and a pattern."""
    area = window(plane.x, plane.y, (-9, look.shape.chin, 9, 9))
    rgb, plane = cut(rgb, area), plane.part(area)
    x, y, edge, wide = plane.x, plane.y, 2 * plane.edge, look.shape.shoulders
    below = y - look.shape.chin
    top = 0.17 + 0.30 * np.clip(np.abs(x) / wide, 0, 1.2) ** 2.2
    body = cover(np.maximum(top - below, np.abs(x) - wide), edge)
    body = body * (1 - cover(_neckline(shot.collar, x, below, look.shape.neck), edge))
    folds = bank.look_up(bank.soft, 60 * x + shot.texture[0], 60 * y + shot.texture[1])
    across = x / wide
    light = 0.80 + 0.28 * shot.light[0] * across - 0.22 * smooth(0.5, 1, np.abs(across)) + 0.045 * folds
    blend(rgb, body, np.clip(_cloth(shot, x, y) * light, 0, 1))
    if shot.collar >= 2:
        _lapels(rgb, shot, x, below, edge)
    return area, body


def _cloth(shot: Shot, x: Array, y: Array) -> Array:
    """The cloth's colours (3, H, W): plain, striped, chequered or dotted."""
    colour = tinted(shot.cloth, np.ones_like(x))
    other = np.clip(0.9 * (1 - shot.cloth[::-1]) + 0.1, 0.08, 0.95)
    if shot.pattern == 1:
        blend(colour, smooth(-0.1, 0.1, np.sin(26 * y)), other)
    elif shot.pattern == 2:
        blend(colour, 0.5 * smooth(0.2, 0.3, np.sin(20 * y)) + 0.5 * smooth(0.2, 0.3, np.sin(20 * x)), other)
    elif shot.pattern == 3:
        blend(colour, cover(np.hypot((x * 5) % 1 - 0.5, (y * 5) % 1 - 0.5) - 0.2, 0.1), other)
    return colour


def _neckline(collar: int, x: Array, below: Array, neck: float) -> Array:
    """Signed distance of the opening at the neck: round, wide, or pointed."""
    if collar == 0:
        return np.hypot(x / 1.15, below - 0.12) - neck * 0.95
    if collar == 1:
        return np.hypot(x / 1.5, below - 0.10) - neck
    return (np.abs(x) * 1.25 + below - 0.62) * 0.6


def _lapels(rgb: Array, shot: Shot, x: Array, below: Array, edge: float) -> None:
    away = np.abs(np.abs(x) * 1.25 + below - 0.66) * 0.6 - 0.055
    band = cover(np.maximum(away, 0.12 - below), edge)
    colour = shot.cloth * 0.85 if shot.collar == 2 else np.array([0.93, 0.93, 0.92])
    blend(rgb, band, tinted(colour, 0.9 + 0.1 * shot.light[0] * np.sign(x)))
