"""What changes from photo to photo: pose, light, expression, background, clothes, camera."""

from dataclasses import dataclass

import numpy as np

from aru.faces.canvas import Array

_WALLS = np.array(
    [
        [0.78, 0.76, 0.72],
        [0.62, 0.68, 0.74],
        [0.45, 0.55, 0.42],
        [0.36, 0.33, 0.32],
        [0.83, 0.80, 0.76],
        [0.55, 0.46, 0.38],
        [0.30, 0.40, 0.52],
        [0.70, 0.60, 0.55],
        [0.20, 0.24, 0.24],
        [0.60, 0.72, 0.82],
        [0.50, 0.60, 0.36],
        [0.88, 0.87, 0.85],
    ]
)
_CLOTH = np.array(
    [
        [0.15, 0.17, 0.24],
        [0.85, 0.84, 0.82],
        [0.60, 0.18, 0.20],
        [0.22, 0.36, 0.56],
        [0.20, 0.20, 0.21],
        [0.45, 0.50, 0.42],
        [0.80, 0.66, 0.40],
        [0.50, 0.30, 0.45],
        [0.75, 0.50, 0.55],
        [0.30, 0.50, 0.48],
        [0.52, 0.42, 0.34],
        [0.90, 0.76, 0.30],
    ]
)
_BRIGHT = np.array(
    [
        [0.92, 0.42, 0.45],
        [0.98, 0.78, 0.30],
        [0.45, 0.72, 0.86],
        [0.60, 0.80, 0.52],
        [0.90, 0.60, 0.75],
        [0.95, 0.92, 0.88],
    ]
)


@dataclass(frozen=True)
class Shot:
    """One photo's conditions. Angles in radians, lengths in head units, colours in [0, 1]."""

    roll: float
    yaw: float
    pitch: float
    scale: float
    shift: tuple[float, float]
    light: tuple[float, float, float]
    ambient: float
    light_colour: Array
    smile: float
    mouth_open: float
    squint: float
    brow_raise: float
    gaze: tuple[float, float]
    background: int
    wall: Array
    cloth: Array
    collar: int
    pattern: int
    exposure: float
    contrast: float
    tint: Array
    monochrome: float
    blur: float
    grain: float
    texture: tuple[float, float]


def draw_shot(rng: np.random.Generator, age: float, year: float) -> Shot:
    """The conditions of one photo of somebody of this age; `year` (0 long ago, 1 now) ages the camera."""
    azimuth, height = rng.normal(0, 0.75), rng.uniform(0.05, 0.75)
    light = np.array([np.sin(azimuth), -height, 0.75 + 0.5 * rng.random()])
    light /= np.linalg.norm(light)
    warm = rng.normal(0, 0.05)
    small = age < 12
    palette = _BRIGHT if small and rng.random() < 0.6 else _CLOTH
    old = rng.random() > 0.35 + 0.9 * year
    smile = float(rng.random() if rng.random() < 0.7 else rng.uniform(-0.3, 0.2))
    return Shot(
        roll=float(np.clip(rng.normal(0, 0.09), -0.25, 0.25)),
        yaw=float(np.clip(rng.normal(0, 0.21), -0.44, 0.44)),
        pitch=float(np.clip(rng.normal(0, 0.12), -0.28, 0.28)),
        scale=float(rng.normal(0.350, 0.018)),
        shift=(float(rng.normal(0, 0.02)), float(rng.normal(0, 0.016))),
        light=tuple(light.tolist()),
        ambient=float(rng.uniform(0.42, 0.72)),
        light_colour=np.array([1 + warm, 1, 1 - warm]),
        smile=smile,
        mouth_open=float(max(0, rng.normal(0.45, 0.25)) if smile > 0.5 else max(0, rng.normal(-0.1, 0.15))),
        squint=float(max(0, rng.normal(0.25 * max(smile, 0), 0.2))),
        brow_raise=float(rng.normal(0, 0.4)),
        gaze=(float(rng.normal(0, 0.3)), float(rng.normal(0, 0.2))),
        background=int(rng.integers(5)),
        wall=_WALLS[rng.integers(len(_WALLS))] + rng.normal(0, 0.03, 3),
        cloth=np.clip(palette[rng.integers(len(palette))] + rng.normal(0, 0.04, 3), 0.05, 0.97),
        collar=int(rng.integers(4)),
        pattern=int(rng.integers(6)),
        exposure=float(np.exp(rng.normal(0.0, 0.08))),
        contrast=float(rng.normal(1.0, 0.07)),
        tint=1 + (np.array([0.06, 0, -0.10]) if old else np.zeros(3)) + rng.normal(0, 0.02, 3),
        monochrome=float(rng.uniform(0.6, 1.0)) if old and rng.random() < 0.5 else float(max(0, rng.normal(0.02, 0.08))),
        blur=float(max(0, rng.normal(0.15 + 0.3 * old, 0.25))),
        grain=float(abs(rng.normal(0, 0.006 + 0.008 * old))),
        texture=(float(rng.uniform(0, 256)), float(rng.uniform(0, 256))),
    )
