"""Hair: behind the head, on it, and the beard; strands are noise drawn out along the way the hair falls."""

import math
from dataclasses import dataclass

import numpy as np

from aru.faces.canvas import NOWHERE, WHOLE, Array, Covered, NoiseBank, bell, blend, cover, cut, shade, smooth, tinted, window
from aru.faces.head import Plane, beard_area
from aru.faces.look import Look
from aru.faces.shot import Shot

# volume above the crown and at the sides, how far down the front hair goes (v), how far the back hair goes
_CUT = {
    "long": (0.14, 0.10, 9, 1.75),
    "long_fringe": (0.13, 0.10, 9, 1.6),
    "bob": (0.14, 0.13, 9, 0.92),
    "bob_fringe": (0.13, 0.12, 9, 0.80),
    "ponytail": (0.09, 0.045, 0.10, 0.0),
    "bun": (0.09, 0.045, 0.10, 0.0),
    "curly": (0.26, 0.30, 9, 0.95),
    "pixie": (0.13, 0.07, 0.30, 0.0),
    "side": (0.15, 0.045, 0.16, 0.0),
    "crew": (0.055, 0.02, 0.06, 0.0),
    "quiff": (0.21, 0.035, 0.12, 0.0),
    "fringe": (0.13, 0.06, 0.16, 0.0),
    "short": (0.10, 0.04, 0.12, 0.0),
    "curly_short": (0.19, 0.13, 0.24, 0.0),
    "swept": (0.17, 0.07, 0.26, 0.0),
    "pigtails": (0.09, 0.05, 0.12, 0.0),
    "down": (0.02, 0.0, -0.15, 0.0),
}
_FRINGED = {"long_fringe": -0.30, "bob_fringe": -0.27, "fringe": -0.38}
_TIED = ("bun", "ponytail", "pigtails", "crew", "down")  # no parting shows
_BEHIND_EARS = (*_TIED, "side", "quiff", "short", "fringe")
_CURLY = ("curly", "curly_short")


@dataclass(frozen=True)
class Fall:
    """The hair of one photo: noise along its strands, lit colour (3, H, W), distance from its outline."""

    strands: Array
    tone: Array
    outer: Array


def fall_of_hair(look: Look, shot: Shot, plane: Plane, bank: NoiseBank) -> Fall:
    """What both the hair behind the head and the hair on it are drawn from."""
    strands = _strands(look, plane, bank, shot)
    return Fall(strands, _tone(look, shot, plane, strands), _outer(look, plane, strands))


def _strands(look: Look, plane: Plane, bank: NoiseBank, shot: Shot) -> Array:
    """Noise along the hair: round the crown on top, downwards at the sides, swirling where curly."""
    part = look.hair.part * 0.7
    down = plane.v - look.shape.crown
    angle = np.arctan2(plane.fx - part, 0.25 + np.clip(down, 0, None)) * 150
    waves = look.hair.curl * 9 * np.sin(5.2 * plane.v + 2.2 * plane.u)
    if look.hair.style in _CURLY or look.hair.curl > 0.85:
        swirl = bank.look_up(bank.soft, 95 * plane.u + 31, 95 * plane.v + 17)
        return 0.9 * swirl + 0.5 * bank.look_up(bank.fine, 60 * plane.u, 60 * plane.v)
    return bank.look_up(bank.strand, angle + waves + shot.texture[0], 55 * np.hypot(plane.fx - part, down))


def _tone(look: Look, shot: Shot, plane: Plane, strands: Array) -> Array:
    """Colour of lit hair (3, H, W): brighter towards the light, with a sheen across the crown."""
    lit = 0.78 + 0.34 * (shot.light[0] * plane.u - 0.5 * shot.light[1] * -plane.v) + 0.10 * shot.ambient
    sheen = np.exp(-(((plane.radius - 0.82 - 0.03 * strands) / 0.10) ** 2)) * smooth(
        0.2, -0.7, plane.v - 0.35 * shot.light[0] * plane.u
    )
    value = np.clip(lit, 0.45, 1.25) * (1 + (0.22 - 0.15 * float(look.hair.colour.mean())) * strands)
    colour = tinted(look.hair.colour, value) + 0.045 * (value - 0.5)
    return np.clip(tinted(shot.light_colour, colour + tinted(0.6 * look.hair.colour + 0.35, 0.16 * sheen)), 0.01, 1)


def _outer(look: Look, plane: Plane, strands: Array) -> Array:
    """Signed distance from the hair's outer outline."""
    top, side, _, _ = _CUT[look.hair.style]
    extra = (side + (top - side) * smooth(-0.15, -0.85, plane.v)) * (1 - 0.35 * min(look.hair.recede, 1))
    ragged = (0.030 if look.hair.style in _CURLY else 0.007) * strands
    return plane.distance - extra - ragged


def bares_ears(look: Look) -> bool:
    """Whether this hair is worn behind the ears."""
    return look.hair.style in _BEHIND_EARS


def _hanging(look: Look, plane: Plane, strands: Array) -> Array | None:
    """Signed distance from what hangs out of the hair's outline, by style; None where nothing does."""
    style, wide = look.hair.style, look.shape.width
    length = _CUT[style][3]
    if length > 0:
        flare = _CUT[style][1] + 0.06 * smooth(0.2, 1.3, plane.v) + 0.03 * look.hair.curl * np.sin(7 * plane.v)
        ends = np.maximum(-plane.v - 0.1, plane.v - length - 0.05 * strands)
        return np.maximum(np.abs(plane.u) - wide - flare - 0.01 * strands, ends)
    if style == "bun":
        return np.hypot(plane.u, plane.v - look.shape.crown - 0.02) - 0.30 - 0.012 * strands
    if style == "pigtails":
        tails = np.hypot((np.abs(plane.u) - wide - 0.17) / 0.17, (plane.v - 0.12) / 0.34) - 1
        return 0.2 * tails - 0.02 * strands
    if style == "ponytail":
        middle = wide * math.copysign(0.9, look.hair.part)
        return 0.2 * (np.hypot((plane.u - middle) / 0.20, (plane.v - 0.55) / 0.75) - 1) - 0.02 * strands
    return None


def draw_back_hair(rgb: Array, look: Look, plane: Plane, fall: Fall) -> Covered:
    """What hangs behind the neck and stands beside the head: long hair, a ponytail, a bun, pigtails."""
    area = cover(fall.outer, 2 * plane.edge) * (plane.v < 0.25)
    hanging = _hanging(look, plane, fall.strands)
    if hanging is not None:
        area = np.maximum(area, cover(hanging, 2 * plane.edge))
    blend(rgb, area, 0.74 * fall.tone)
    return WHOLE, area


def _rounded(a: Array, b: Array, radius: float) -> Array:
    """The larger of two signed distances, with the corner between them rounded."""
    both = np.hypot(np.maximum(a + radius, 0), np.maximum(b + radius, 0)) - radius
    return np.maximum(np.minimum(np.maximum(a, b), -radius), both)


def _hairline(look: Look, plane: Plane, strands: Array) -> Array:
    """Signed distance from the forehead's opening in the hair: negative on bare skin."""
    hair, x, y = look.hair, plane.fx, plane.fy
    line = np.full_like(x, hair.line - 0.46 * hair.recede)
    if hair.style in _FRINGED and hair.recede < 0.5:
        line = _FRINGED[hair.style] + 0.05 * strands + 0.05 * np.cos(4 * x + 2 * hair.part)
    temples = 0.20 * hair.recede * np.exp(-0.5 * ((np.abs(x) - 0.42) / 0.16) ** 2)
    parted = abs(hair.part) > 0.12 and hair.style not in _TIED
    sweep = math.copysign(0.22, hair.part) * x if parted else np.zeros_like(x)
    top = line - temples + sweep + 0.20 * x * x
    half = look.shape.width * ((0.80 if _CUT[hair.style][3] > 0 else 0.86) + 0.16 * smooth(-0.45, 0.25, y))
    return _rounded(top - y, np.abs(x) - half, 0.22) + 0.012 * strands


def draw_front_hair(rgb: Array, look: Look, plane: Plane, fall: Fall) -> Covered:
    """The hair on the head, round the face, with its shadow on the forehead."""
    strands = fall.strands
    _, _, low, length = _CUT[look.hair.style]
    forehead = _hairline(look, plane, strands)
    softness = 2 * plane.edge + (0.10 if look.hair.style in ("down", "crew") else 0.015)
    area = cover(fall.outer, 2 * plane.edge) * (1 - cover(forehead, softness))
    area *= smooth(low + 0.06, low - 0.06, plane.v + 0.02 * strands)
    if length > 0:
        locks = cover(
            np.maximum(np.abs(plane.u) - look.shape.width - 0.06 - 0.01 * strands, plane.v - length),
            2 * plane.edge,
        )
        sides = smooth(0.86, 0.92, np.abs(plane.fx) / look.shape.width) * smooth(-0.4, -0.1, plane.v)
        area = np.maximum(area, locks * sides * (plane.v < 1.0) * 0.98)
    scalp = (1 - 0.75 * look.hair.thin) * (1 - 0.35 * max(0.0, look.hair.recede - 0.6))
    shadow = smooth(0.16, 0.0, -forehead) * cover(plane.distance, 0.05) * smooth(low + 0.2, low - 0.1, plane.v)
    shade(rgb, 0.38 * scalp * shadow * (1 - area), np.array([0.66, 0.58, 0.55]))
    covered = area * np.clip(scalp + 0.10 * strands, 0, 1)
    blend(rgb, covered, fall.tone)
    return WHOLE, covered


def draw_beard(rgb: Array, look: Look, shot: Shot, plane: Plane, bank: NoiseBank) -> Covered:
    """Moustache, goatee or full beard; stubble is part of the skin's colour."""
    kind, s = look.hair.beard, look.shape
    if kind == "none":
        return NOWHERE
    within = window(plane.distance, plane.fy, (-9, -0.1, 0.05, 9))
    rgb, plane = cut(rgb, within), plane.part(within)
    x, y = plane.fx, plane.fy
    strands = bank.look_up(bank.strand, 120 * x + 5 * np.sin(11 * y + 7 * x), 110 * y)
    lip = bell(x, y - 0.5 * (s.nose_tip + 0.08 + s.mouth_y - s.upper_lip) - 0.02, s.mouth_width * 0.62, 0.042)
    chin = bell(x, y - s.chin + 0.10, 0.20, 0.17) * smooth(0.05, 0.13, y - s.mouth_y)
    area = {
        "moustache": 1.5 * lip,
        "goatee": 1.5 * np.maximum(lip, chin),
        "full": np.maximum(1.4 * lip, beard_area(look, plane)),
    }[kind]
    area = np.clip(area, 0, 1) * cover(plane.distance - 0.02, 0.03)
    tone = tinted(look.hair.beard_colour, np.clip(0.85 + 0.25 * shot.light[0] * x + 0.13 * strands, 0.4, 1.4))
    covered = np.clip(area * (0.80 + 0.22 * strands), 0, 1) * look.hair.stubble**0.5
    blend(rgb, covered, np.clip(tone, 0.01, 1))
    return within, covered
