"""Nose, mouth, ears, glasses and marks of the skin, drawn into face coordinates."""

import math
from dataclasses import dataclass

import numpy as np

from aru.faces.canvas import NOWHERE, WHOLE, Array, Covered, NoiseBank, bell, blend, cover, cut, shade, smooth, tinted, window
from aru.faces.look import Look
from aru.faces.shot import Shot


def draw_nose(rgb: Array, x: Array, y: Array, look: Look, shot: Shot, edge: float) -> Covered:
    """Nostrils, the wings' creases and the shadow below; the lighting of the face models the rest.

    Covered is what the relief raises: from the bridge between the eyes to the wings.
    """
    shape = look.shape
    tip, wide = shape.nose_tip, shape.nose_width
    middle = 0.16 * shot.yaw
    along = smooth(-0.1, tip, y)
    half = 0.07 + (wide - 0.03) * smooth(0.0, tip + 0.02, y)
    covered = cover(np.maximum(np.abs(x - middle * along) - half, np.abs(y - 0.5 * tip - 0.02) - 0.5 * tip - 0.08), 2 * edge)
    area = window(x - middle, y - tip, (-0.40, -0.25, 0.40, 0.25))
    rgb, x, y = cut(rgb, area), x[area] - middle, y[area]
    if not rgb.size:
        return NOWHERE
    shade(rgb, 0.42 * bell(x, y - tip - 0.085, wide * 0.85, 0.03), np.array([0.66, 0.56, 0.54]))
    for side in (-1, 1):
        hole = np.hypot((x - side * 0.50 * wide) / 0.050, (y - tip - 0.062 + 0.15 * (side * x - 0.5 * wide)) / 0.021) - 1
        blend(rgb, 0.62 * cover(hole, 0.8), 0.25 * look.skin.colour)
        wing = np.abs(np.hypot((side * x - 0.62 * wide), (y - tip - 0.02) * 0.95) - 0.42 * wide) - 0.004
        shade(
            rgb,
            0.42 * cover(wing, 0.02) * smooth(0.6 * wide, 0.95 * wide, side * x) * smooth(-0.10, -0.02, y - tip),
            0.62,
        )
    return WHOLE, covered


@dataclass(frozen=True)
class _Mouth:
    """Heights of the mouth's curves over t, which runs from -1 to 1 between its corners."""

    t: Array
    wide: float
    open: float
    line: Array
    gap_top: Array
    gap_bottom: Array
    top: Array
    bottom: Array


def _mouth(x: Array, look: Look, shot: Shot) -> _Mouth:
    s, happy = look.shape, max(shot.smile, 0.0)
    wide = s.mouth_width * (1 + 0.20 * happy)
    t = np.clip(x / wide, -1.25, 1.25)
    gape = 0.085 * shot.mouth_open * (1 + 0.4 * happy)
    rim = np.clip(1 - t * t, 0, 1)
    line = 0.030 * shot.smile + (0.02 * s.sag - 0.085 * shot.smile) * t * t
    gap_top, gap_bottom = line - 0.15 * gape * rim, line + gape * rim
    bow = 1 - 0.30 * np.exp(-((t / 0.16) ** 2)) + 0.10 * np.exp(-(((np.abs(t) - 0.26) / 0.16) ** 2))
    top = gap_top - s.upper_lip * (1 - 0.25 * happy) * bow * np.clip(1 - np.abs(t) ** 1.7, 0, 1)
    bottom = gap_bottom + s.lower_lip * (1 - 0.15 * happy) * np.clip(1 - np.abs(t) ** 2.3, 0, 1)
    return _Mouth(t, wide, gape, line, gap_top, gap_bottom, top, bottom)


def draw_mouth(rgb: Array, x: Array, y: Array, look: Look, shot: Shot, edge: float) -> Covered:
    """Lips with a bow, their gloss, and teeth where the mouth is open."""
    area = window(x, y - look.shape.mouth_y, (-0.55, -0.30, 0.55, 0.36))
    rgb, x, y = cut(rgb, area), x[area], y[area] - look.shape.mouth_y
    if not rgb.size:
        return NOWHERE
    mouth = _mouth(x, look, shot)
    lips = _lips(rgb, x, y, mouth, look, shot, edge)
    _teeth(rgb, x, y, mouth, look, edge)
    seam = cover(np.abs(y - mouth.line) - 0.006, edge * 1.5) * smooth(1.10, 0.85, np.abs(mouth.t))
    blend(rgb, 0.72 * seam * max(0.0, 1 - mouth.open / 0.03), 0.32 * look.skin.lips)
    for side in (-1, 1):
        shade(rgb, 0.35 * bell(x - side * mouth.wide * 1.03, y - mouth.line, 0.03, 0.025), 0.55)
    shade(rgb, 0.30 * bell(x, y - mouth.bottom - 0.035, mouth.wide * 0.5, 0.022), 0.70)
    return area, lips


def _lips(rgb: Array, x: Array, y: Array, mouth: _Mouth, look: Look, shot: Shot, edge: float) -> Array:
    within = np.maximum(np.maximum(mouth.top - y, y - mouth.bottom), np.abs(x) - mouth.wide)
    lips = cover(within, edge * 2.2)
    light = 1 - 0.16 * cover(y - mouth.gap_top, 0.02)
    blend(rgb, 0.86 * lips, tinted(look.skin.lips, _lit(rgb, look) * light))
    middle = mouth.gap_bottom + 0.42 * look.shape.lower_lip
    gloss = bell(x - 0.06 * shot.light[0], y - middle, mouth.wide * 0.30, 0.014)
    blend(rgb, 0.25 * lips * gloss, np.ones(3))
    return lips


def _teeth(rgb: Array, x: Array, y: Array, mouth: _Mouth, look: Look, edge: float) -> None:
    gap = np.maximum(np.maximum(mouth.gap_top - y, y - mouth.gap_bottom), np.abs(x) - mouth.wide)
    inside = cover(gap, edge)
    blend(rgb, inside * min(1.0, mouth.open / 0.02), np.array([0.24, 0.07, 0.08]))
    if look.age < 1.2:
        return
    ends = mouth.gap_top + 0.052 * np.clip(1 - mouth.t**2, 0, 1) ** 0.4
    teeth = cover(np.maximum(mouth.gap_top - y, y - ends), edge) * smooth(0.95, 0.75, np.abs(mouth.t))
    ivory = np.array([0.94, 0.92, 0.87]) * (1 - 0.12 * look.shape.sag)
    blend(rgb, 0.93 * inside * teeth * min(1.0, mouth.open / 0.03), ivory)


def _lit(rgb: Array, look: Look) -> Array:
    """How bright the skin already is here, relative to its own colour: lips take the same light."""
    return np.clip(rgb.mean(0) / float(look.skin.colour.mean()), 0.35, 1.25)


def draw_ear(rgb: Array, u: Array, v: Array, side: int, look: Look, shot: Shot, edge: float) -> Covered:
    """One ear: turned towards the camera it moves in front of the head and widens, turned away it hides."""
    turned = -side * math.sin(shot.yaw)
    x, y = side * u - look.shape.width * (1.02 - 0.42 * max(turned, 0) + 0.10 * min(turned, 0)), v - 0.08
    area = window(x, y, (-0.25, -0.40, 0.30, 0.40))
    rgb, x, y = cut(rgb, area), x[area], y[area]
    if not rgb.size:
        return NOWHERE
    wide = 0.105 + 0.05 * max(turned, 0)
    away = np.hypot(x / wide, (y + 0.25 * x) / (look.shape.ear * (1 - 0.25 * smooth(-0.05, 0.25, y))))
    ear = cover((away - 1) * wide, edge * 1.5)
    tone = float(np.clip(0.66 + 0.35 * side * shot.light[0] + 0.2 * shot.light[2], 0.4, 1))
    shade(rgb, 0.30 * cover((away - 1.25) * wide, 0.10), 0.75)
    blend(rgb, ear, look.skin.colour * tone * np.array([1.03, 0.93, 0.91]))
    shade(rgb, 0.50 * ear * bell(x + 0.01, y, 0.40 * wide, 0.11), np.array([0.66, 0.56, 0.54]))
    shade(rgb, 0.25 * ear * cover(np.abs(away - 0.82) - 0.05, 0.12), 0.75)
    return area, ear


def draw_marks(rgb: Array, x: Array, y: Array, face: Array, look: Look, bank: NoiseBank, edge: float) -> None:
    """Moles, freckles and the brown spots of age, where `face` covers the picture."""
    for mx, my in look.skin.moles:
        area = window(x - mx, y - my, (-0.06, -0.06, 0.06, 0.06))
        dot = face[area] * cover(np.hypot(x[area] - mx, y[area] - my) - 0.017, edge)
        blend(cut(rgb, area), 0.75 * dot, 0.35 * look.skin.colour)
    if look.skin.freckles > 0.05:
        dots = smooth(1.1, 1.9, bank.look_up(bank.fine, 55 * x + 40, 55 * y + 70))
        shade(
            rgb,
            face * dots * min(0.7, look.skin.freckles) * bell(x, y - 0.22, 0.42, 0.15),
            np.array([0.74, 0.60, 0.50]),
        )
    if look.skin.spots > 0.05:
        dots = smooth(0.9, 2.4, bank.look_up(bank.soft, 62 * x + 90, 62 * y + 20))
        shade(
            rgb,
            0.55 * face * dots * look.skin.spots * smooth(0.2, 0.5, np.hypot(x, y)),
            np.array([0.78, 0.68, 0.62]),
        )


def draw_glasses(rgb: Array, x: Array, y: Array, look: Look, shot: Shot, edge: float) -> Covered:
    """Round, square or wide frames with a faint reflection; covered are the frames, not the glass."""
    covered = np.zeros_like(x)
    half = {1: (0.235, 0.20, 2.0), 2: (0.25, 0.165, 4.0), 3: (0.27, 0.19, 3.0)}[look.glasses]
    middle = look.shape.eye_x + 0.01
    for side in (-1, 1):
        area = window(side * x, y, (0.0, -0.35, 1.05, 0.40))
        local, gx, gy = cut(rgb, area), side * x[area] - middle, y[area] - 0.02
        away = ((np.abs(gx) / half[0]) ** half[2] + (np.abs(gy) / half[1]) ** half[2]) ** (1 / half[2]) - 1
        shade(local, 0.22 * cover(away - 0.12, 0.25) * (1 - cover(away, 0.1)), 0.6)
        blend(
            local,
            0.10 * cover(away, 0.05) * smooth(0.0, 0.25, np.abs(gx + gy * 0.8 + 0.05)),
            np.array([0.8, 0.88, 0.95]),
        )
        rim = cover(np.abs(away) * 0.2 - 0.012, edge)
        blend(local, 0.95 * rim, look.glasses_colour)
        arm = np.maximum(np.maximum(np.abs(gy + 0.05) - 0.014, half[0] - gx), side * x[area] - 0.80)
        blend(local, 0.9 * cover(arm, edge), look.glasses_colour)
        covered[area] = np.maximum(covered[area], np.maximum(rim, cover(arm, edge)))
    bridge = np.maximum(np.abs(y + 0.03 - 0.15 * x * x) - 0.012, np.abs(x) - (middle - half[0]))
    area = window(x, y, (-0.3, -0.2, 0.3, 0.2))
    blend(cut(rgb, area), 0.95 * cover(bridge[area], edge), look.glasses_colour)
    covered[area] = np.maximum(covered[area], cover(bridge[area], edge))
    return WHOLE, covered
