"""What is drawn of a person at one age, in numbers.

Lengths are in head units: eyes on v = 0, v points down, an adult's cheekbones are 0.8 from the middle.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Shape:
    """Proportions of head and features."""

    crown: float
    chin: float
    width: float
    jaw: float
    chin_width: float
    cheeks: float
    sag: float
    eye_x: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    lid: float
    brow_y: float
    brow_weight: float
    brow_arch: float
    nose_tip: float
    nose_width: float
    nose_bridge: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    ear: float
    neck: float
    shoulders: float


@dataclass(frozen=True)
class Skin:
    """Colour and texture of the skin; `wrinkles` and `spots` run from 0 to about 1."""

    colour: Array
    lips: Array
    rosy: float
    wrinkles: float
    bags: float
    spots: float
    freckles: float
    moles: tuple[tuple[float, float], ...]
    rough: float


@dataclass(frozen=True)
class Hair:
    """Hair of head, brows and beard; lengths in head units, cover from 0 to 1."""

    colour: Array
    brows: Array
    beard_colour: Array
    style: str
    line: float
    recede: float
    thin: float
    curl: float
    part: float
    beard: str
    stubble: float


@dataclass(frozen=True)
class Look:
    """All that is drawn of one person at one apparent age."""

    shape: Shape
    skin: Skin
    hair: Hair
    iris: Array
    iris_size: float
    glasses: int
    glasses_colour: Array
    lashes: float
    female: bool
    age: float
