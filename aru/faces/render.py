"""One photo: the layers from the background to the camera, drawn at twice the size of the photo."""

import numpy as np

from aru.faces.body import draw_clothes, draw_neck
from aru.faces.canvas import Array, Covered, NoiseBank, blend, cover, cut, window
from aru.faces.eyes import draw_brow, draw_eye
from aru.faces.features import draw_ear, draw_glasses, draw_marks, draw_mouth, draw_nose
from aru.faces.hair import bares_ears, draw_back_hair, draw_beard, draw_front_hair, fall_of_hair
from aru.faces.head import Plane, head_plane, light_face, skin_colour
from aru.faces.look import Look
from aru.faces.parts import Parts
from aru.faces.scene import background, develop, vignette
from aru.faces.shot import Shot


def _draw_skin(rgb: Array, look: Look, shot: Shot, plane: Plane, coarse: Plane, bank: NoiseBank) -> Covered:
    light, shine = light_face(look, shot, coarse, bank, rgb.shape[-1])
    area = window(plane.distance, plane.v, (-9, -9, plane.edge, 9))
    rgb, plane = cut(rgb, area), plane.part(area)
    face = cover(plane.distance, 2 * plane.edge)
    skin = skin_colour(look, plane, bank) * cut(light, area)
    blend(rgb, face, skin + 0.10 * (1 - 0.5 * look.skin.rough) * shine[area])
    draw_marks(rgb, plane.fx, plane.fy, face, look, bank, plane.edge)
    return area, face


def render(
    look: Look, shot: Shot, bank: NoiseBank, rng: np.random.Generator, *, size: int = 128, parts: Parts | None = None
) -> Array:
    """A photo (size, size, 3) uint8 RGB of this look under these conditions; `rng` gives the film's grain.

    `parts` takes down what covers what; the photo is the same with and without it.
    """
    parts = parts or Parts(size)
    plane, coarse = head_plane(look, shot, 2 * size, size), head_plane(look, shot, size, size)
    edge = plane.edge
    rgb = background(shot, bank, 2 * size)
    fall = fall_of_hair(look, shot, plane, bank)
    parts.add("hair", draw_back_hair(rgb, look, plane, fall))
    parts.add("neck", draw_neck(rgb, look, shot, plane))
    parts.add("clothes", draw_clothes(rgb, look, shot, plane, bank))
    near = -1 if shot.yaw > 0 else 1
    parts.add("ear", draw_ear(rgb, plane.u, plane.v, -near, look, shot, edge))
    parts.add("skin", _draw_skin(rgb, look, shot, plane, coarse, bank))
    parts.add("nose", draw_nose(rgb, plane.fx, plane.fy, look, shot, edge))
    parts.add("mouth", draw_mouth(rgb, plane.fx, plane.fy, look, shot, edge))
    parts.add("hair", draw_beard(rgb, look, shot, plane, bank))
    for side in (-1, 1):
        parts.add("eye", draw_eye(rgb, plane.fx, plane.fy, side, look, shot, edge))
        parts.add("brow", draw_brow(rgb, plane.fx, plane.fy, side, look, shot, bank, edge))
    if not bares_ears(look):
        parts.add("ear", draw_ear(rgb, plane.u, plane.v, near, look, shot, edge))
    parts.add("hair", draw_front_hair(rgb, look, plane, fall))
    if bares_ears(look):
        parts.add("ear", draw_ear(rgb, plane.u, plane.v, near, look, shot, edge))
    if look.glasses:
        parts.add("glasses", draw_glasses(rgb, plane.fx, plane.fy, look, shot, edge))
    rgb *= vignette(2 * size)
    return develop(rgb, shot, rng)
