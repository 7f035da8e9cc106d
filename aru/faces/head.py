"""The head: its outline, its relief in height, and the light that falls on it."""

from dataclasses import dataclass, replace

import numpy as np

from aru.faces.canvas import Array, NoiseBank, Window, bell, blend, cover, enlarge, smooth, tinted
from aru.faces.look import Look, Shape
from aru.faces.shot import Shot

_ANGLES = np.linspace(0, np.pi, 181)
_TURN = 0.98  # radius of the cylinder on which the features turn with the head's yaw


@dataclass(frozen=True)
class Plane:
    """Pixel positions in head units, each (H, W) float32.

    x, y: upright, for the body; u, v: rolled with the head; fx, fy: on the face, turned by yaw and pitch;
    radius: distance from the head's middle over the outline's at this angle (1 on the outline);
    distance: signed distance from the outline; edge: the width of one pixel of the picture that is kept.
    """

    x: Array
    y: Array
    u: Array
    v: Array
    fx: Array
    fy: Array
    radius: Array
    distance: Array
    edge: float

    def part(self, area: Window) -> "Plane":
        """The positions within a window, so that only these pixels are computed."""
        arrays = ("x", "y", "u", "v", "fx", "fy", "radius", "distance")
        return replace(self, **{name: getattr(self, name)[area] for name in arrays})


def _outline(shape: Shape) -> Array:
    """Radius of the outline at 181 angles from the crown (0) to the chin (pi)."""
    v = np.array(
        [
            shape.crown,
            shape.crown * 0.93,
            shape.crown * 0.72,
            shape.crown * 0.35,
            0.0,
            0.32,
            0.62,
            0.86,
            1.02,
            1.0,
        ]
    )
    v[4:] *= shape.chin / 1.12
    v[-1] = shape.chin
    full = 0.02 * shape.cheeks
    w = np.array([0, 0.46, 0.78, 0.985, 1.0, 0.965 + full, 0, 0, 0, 0]) * shape.width
    w[6:9] = (
        shape.jaw + full + 0.05 * (shape.width - shape.jaw),
        0.5 * (shape.jaw + shape.chin_width),
        shape.chin_width * 0.62,
    )
    middle = 0.5 * (shape.crown + shape.chin)
    angle, radius = np.arctan2(w, -(v - middle)), np.hypot(w, v - middle)
    raw = np.interp(_ANGLES, angle, radius)
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 5.0) ** 2)
    return np.convolve(np.pad(raw, 12, mode="reflect"), kernel / kernel.sum(), mode="valid")


def head_plane(look: Look, shot: Shot, size: int, kept: int) -> Plane:
    """Positions of every pixel of a (size, size) picture of which (kept, kept) remains."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    middle = 0.5 * (look.shape.crown + look.shape.chin)
    x = np.broadcast_to((line[None, :] - 0.5 - shot.shift[0]) / shot.scale, (size, size))
    y = np.broadcast_to((line[:, None] - 0.500 - shot.shift[1]) / shot.scale + middle, (size, size))
    cos, sin = np.float32(np.cos(shot.roll)), np.float32(np.sin(shot.roll))
    u, v = cos * x + sin * (y - 0.6), -sin * x + cos * (y - 0.6) + np.float32(0.6)
    angle, reach = np.arctan2(np.abs(u), middle - v), np.hypot(u, v - middle)
    limit = np.interp(angle, _ANGLES, _outline(look.shape)).astype(np.float32)
    turn = np.arcsin(np.clip(u / _TURN, -1, 1))
    fx = np.float32(_TURN) * np.sin(np.clip(turn - shot.yaw, -1.6, 1.6))
    fy = v - np.float32(0.42 * shot.pitch) * np.sqrt(np.clip(1.05 - (v / 1.5) ** 2, 0, 1)) * np.cos(turn)
    return Plane(
        x,
        y,
        u,
        v,
        fx.astype(np.float32),
        fy.astype(np.float32),
        reach / limit,
        reach - limit,
        1 / (kept * shot.scale),
    )


def _relief(look: Look, shot: Shot, plane: Plane) -> Array:
    """Height of the face above the picture plane, in head units."""
    s, x, y = look.shape, plane.fx, plane.fy
    ax = np.abs(x)
    height = 0.78 * np.sqrt(np.clip(1 - 0.93 * plane.radius**2, 0.0, 1))
    ridge = s.nose_bridge * np.interp(
        y,
        [-0.40, -0.12, 0.02, 0.14, s.nose_tip - 0.03, s.nose_tip + 0.09],
        [0.0, 0.03, 0.055, 0.12, 0.25, 0.0],
    ).astype(np.float32)
    nx = x - 0.16 * shot.yaw * smooth(-0.1, s.nose_tip, y)
    width = 0.062 + 0.05 * smooth(0.05, s.nose_tip, y)
    height += ridge * np.exp(-0.5 * (nx / width) ** 2)
    height += 0.075 * bell(nx, y - s.nose_tip, 0.085, 0.075)
    height += 0.055 * bell(np.abs(nx) - 0.68 * s.nose_width, y - s.nose_tip - 0.02, 0.055, 0.055)
    height -= 0.085 * bell(ax - s.eye_x + 0.03, y + 0.02, 0.19, 0.12)
    height += 0.030 * bell(ax - s.eye_x, y - s.brow_y - 0.02, 0.26, 0.07)
    height += 0.028 * bell(ax - s.eye_x, y, 0.12, 0.07)
    height += (0.05 + 0.05 * s.cheeks) * bell(ax - 0.43, y - 0.36, 0.20, 0.17)
    height -= 0.05 * max(0.0, 0.25 - s.cheeks) * bell(ax - 0.50, y - 0.62, 0.12, 0.18)
    height += 0.05 * bell(x, y - s.mouth_y, 0.26, 0.13) - 0.035 * bell(x, y - s.mouth_y - 0.165, 0.16, 0.045)
    height += 0.065 * bell(x, y - s.chin + 0.14, 0.17, 0.11)
    height -= 0.014 * bell(x, y - 0.5 * (s.nose_tip + 0.09 + s.mouth_y - s.upper_lip), 0.026, 0.05)
    return height + _folds(look, shot, x, ax, y)


def _folds(look: Look, shot: Shot, x: Array, ax: Array, y: Array) -> Array:
    """Grooves of age and of a smile: beside nose and mouth, on the forehead, at the eyes, and the jowls."""
    s, old = look.shape, look.skin.wrinkles
    smile = max(shot.smile, 0)
    along = np.clip((y - s.nose_tip) / (s.mouth_y - s.nose_tip + 0.06), -0.2, 1.4)
    groove = (
        np.exp(-0.5 * ((ax - (0.19 + 0.15 * along + 0.03 * smile)) / 0.026) ** 2)
        * smooth(-0.15, 0.15, along)
        * smooth(1.25, 0.8, along)
    )
    folds = -(0.012 * smile + 0.034 * old) * groove
    lower = np.exp(-0.5 * ((ax - s.mouth_width - 0.03) / 0.022) ** 2) * bell(x, y - s.mouth_y - 0.13, 9, 0.075)
    folds -= 0.022 * s.sag * lower
    folds += 0.045 * s.sag * bell(ax - 0.45, y - 0.86, 0.11, 0.09)
    brow = smooth(-0.36, -0.46, y) * smooth(0.60, 0.25, ax) * smooth(-0.86, -0.72, y)
    folds += (
        0.0085
        * max(0.0, old - 0.12 + 0.12 * shot.brow_raise)
        * brow
        * np.sin(62 * (y + 0.035 * np.cos(5 * x) + 0.01 * np.sin(17 * x)))
    )
    folds -= 0.012 * max(0.0, old - 0.2) * bell(ax - 0.065, y + 0.17, 0.014, 0.07)
    feet = smooth(0.52, 0.60, ax) * smooth(0.76, 0.66, ax) * smooth(0.16, 0.08, np.abs(y + 0.01))
    folds += 0.0065 * (old + 0.35 * smile * min(1, look.age / 35)) * feet * np.sin(78 * (y - 0.28 * (ax - 0.5) * np.sign(y)))
    return folds


def light_face(look: Look, shot: Shot, plane: Plane, bank: NoiseBank, size: int) -> tuple[Array, Array]:
    """Diffuse light (3, size, size) and shine (size, size) on the skin, by the relief's normals."""
    height = _relief(look, shot, plane)
    grain = bank.look_up(bank.fine, 70 * plane.fx + 30, 70 * plane.fy + 60)
    height = height + 0.0008 * look.skin.rough * grain
    down, across = np.gradient(height, plane.edge)
    length = np.sqrt(1 + across**2 + down**2)
    lx, ly, lz = shot.light
    facing = (-across * lx - down * ly + lz) / length
    diffuse = shot.ambient * (0.72 + 0.28 / length) + (1.08 - shot.ambient) * np.clip(0.12 + 0.88 * facing, 0, None)
    halfway = (np.array([lx, ly, lz + 1]) / np.linalg.norm([lx, ly, lz + 1])).tolist()
    shine = np.clip((-across * halfway[0] - down * halfway[1] + halfway[2]) / length, 0, 1) ** 22
    diffuse, shine = enlarge(diffuse, size), enlarge(shine, size)
    channels = np.stack([np.maximum(diffuse, 1e-3) ** power for power in (0.86, 1.06, 1.14)])
    return tinted(shot.light_colour, channels), shine


def skin_colour(look: Look, plane: Plane, bank: NoiseBank) -> Array:
    """Colour of the skin before light (3, H, W): rosy cheeks and nose, mottling, dark eyes, stubble."""
    x, y, skin = plane.fx, plane.fy, look.skin
    ax = np.abs(x)
    rosy = bell(ax - 0.46, y - 0.34, 0.17, 0.14) + 0.5 * bell(x, y - look.shape.nose_tip, 0.10, 0.07)
    mottle = bank.look_up(bank.soft, 28 * x + 200, 28 * y + 90)
    red = skin.rosy * rosy + 0.022 * skin.rough * mottle
    dark = 0.16 * skin.bags * bell(ax - look.shape.eye_x + 0.03, y - 0.09, 0.15, 0.06)
    factors = np.stack([1 + 0.10 * red - dark, 1 - 0.32 * red - 1.25 * dark, 1 - 0.26 * red - dark])
    colour = tinted(skin.colour, factors)
    if look.hair.stubble > 0:
        blend(colour, 0.26 * look.hair.stubble * beard_area(look, plane), 0.8 * look.hair.beard_colour)
    return colour


def beard_area(look: Look, plane: Plane) -> Array:
    """Where a beard grows, from 0 to 1."""
    s, x, y = look.shape, plane.fx, plane.fy
    ax = np.abs(x)
    edge = np.interp(ax, [0, 0.22, 0.45, 0.62, 0.78], [s.nose_tip + 0.14, s.nose_tip + 0.15, 0.62, 0.36, 0.05]).astype(
        np.float32
    )
    area = smooth(-0.03, 0.10, y - edge)
    lips = cover((np.hypot(x / (s.mouth_width * 0.95), (y - s.mouth_y - 0.01) / 0.10) - 1) * 0.1, 0.05)
    return area * (1 - lips) * (1 - 0.8 * bell(ax - 0.30, y - 0.56, 0.07, 0.09))
