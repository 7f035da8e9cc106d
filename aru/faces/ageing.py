"""From a person and an age to what is drawn: proportions, skin, hair, beard, wrinkles."""

import math

import numpy as np

from aru.faces.families import Person
from aru.faces.look import Array, Hair, Look, Shape, Skin

_SKIN = np.array(
    [
        [0.95, 0.81, 0.72],
        [0.91, 0.74, 0.62],
        [0.86, 0.67, 0.53],
        [0.70, 0.50, 0.37],
        [0.52, 0.35, 0.25],
        [0.36, 0.24, 0.18],
    ]
)
_HAIR = np.array(
    [
        [0.07, 0.06, 0.06],
        [0.13, 0.09, 0.07],
        [0.23, 0.15, 0.10],
        [0.36, 0.24, 0.15],
        [0.58, 0.43, 0.26],
        [0.80, 0.66, 0.43],
    ]
)
_RED = np.array([0.52, 0.23, 0.10])
_GREY = np.array([0.80, 0.80, 0.80])
_IRIS = np.array([[0.17, 0.10, 0.06], [0.30, 0.18, 0.09], [0.38, 0.27, 0.13], [0.32, 0.38, 0.25], [0.32, 0.45, 0.58]])
STYLES_F = ("long", "bob", "ponytail", "bun", "long_fringe", "bob_fringe", "curly", "pixie")
STYLES_M = ("side", "crew", "quiff", "fringe", "side", "short", "curly_short", "swept")


def _between(table: Array, position: float) -> Array:
    position = float(np.clip(position, 0, 1)) * (len(table) - 1)
    low = min(int(position), len(table) - 2)
    return table[low] + (position - low) * (table[low + 1] - table[low])


def _rise(x: float, low: float, high: float) -> float:
    t = float(np.clip((x - low) / (high - low), 0, 1))
    return t * t * (3 - 2 * t)


def _shape(t: dict[str, float], female: bool, age: float) -> Shape:
    grown = (1 - math.exp(-age / 8.0)) / (1 - math.exp(-18 / 8.0)) if age < 18 else 1.0
    adult = _rise(age, 10, 20)
    male = 0.0 if female else adult
    sag = _rise(age, 42, 82)
    baby = 1 - grown
    return Shape(
        crown=-(1.12 + 0.24 * baby),
        chin=1.12 - 0.30 * baby + 0.06 * t["chin_length"] * grown + 0.03 * male,
        width=0.785 + 0.042 * t["face_width"] + 0.05 * baby,
        jaw=0.600 + 0.055 * t["jaw_width"] * (0.4 + 0.6 * grown) + 0.045 * male + 0.03 * baby + 0.035 * sag,
        chin_width=0.34 + 0.065 * t["chin_width"] + 0.05 * male + 0.04 * baby,
        cheeks=0.35 + 0.2 * t["cheeks"] + 0.9 * baby - 0.5 * sag,
        sag=sag,
        eye_x=0.355 + 0.022 * t["eye_space"] + 0.01 * baby,
        eye_width=0.190 + 0.014 * t["eye_size"] + 0.012 * baby,
        eye_open=(0.083 + 0.015 * t["eye_size"]) * (1 + 0.45 * baby) * (1 - 0.28 * sag),
        eye_tilt=0.06 + 0.07 * t["eye_tilt"] - 0.10 * sag,
        lid=float(np.clip(0.5 + 0.35 * t["eye_lid"] + 0.5 * sag, 0, 1.4)),
        brow_y=-0.265 - 0.022 * t["brow_height"] - 0.01 * baby + 0.02 * male + 0.02 * sag,
        brow_weight=(0.036 + 0.011 * t["brow_weight"] + 0.010 * male) * (0.55 + 0.45 * adult) * (1 - 0.25 * sag),
        brow_arch=0.055 + 0.027 * t["brow_arch"] + (0.012 if female else -0.01),
        nose_tip=(0.43 + 0.03 * t["nose_length"]) * (0.70 + 0.30 * grown) + 0.035 * sag,
        nose_width=(0.150 + 0.023 * t["nose_width"] + 0.012 * male) * (0.80 + 0.20 * grown) * (1 + 0.12 * sag),
        nose_bridge=(0.72 + 0.18 * t["nose_bridge"]) * (0.35 + 0.65 * grown),
        mouth_y=0.725 - 0.185 * baby + 0.02 * t["mouth_height"],
        mouth_width=(0.275 + 0.028 * t["mouth_width"]) * (0.74 + 0.26 * grown),
        upper_lip=(0.055 + 0.017 * t["upper_lip"]) * (1 - 0.45 * sag),
        lower_lip=(0.078 + 0.018 * t["lower_lip"]) * (1 - 0.35 * sag),
        ear=0.21 + 0.015 * t["ear_size"] + 0.03 * sag,
        neck=0.36 + 0.09 * adult + 0.09 * male,
        shoulders=1.15 + 0.35 * adult + 0.25 * male,
    )


def _skin(t: dict[str, float], female: bool, age: float, makeup: bool) -> Skin:
    colour = _between(_SKIN, 0.30 + 0.17 * t["melanin"])
    colour = colour * (1 + 0.025 * t["undertone"] * np.array([0.6, -0.2, -1.0]))
    old = _rise(age, 30, 76) * (1 + 0.18 * t["wrinkling"])
    mood = np.array([1.0, 0.99, 0.965]) if age > 50 else np.ones(3)
    lips = colour * np.array([0.90, 0.62, 0.62]) * (1.04 - 0.08 * _rise(age, 45, 80))
    if makeup:
        lips = 0.45 * lips + 0.55 * _between(
            np.array([[0.78, 0.25, 0.28], [0.70, 0.16, 0.22], [0.80, 0.42, 0.42]]), abs(t["makeup"]) / 2
        )
    moles = np.random.default_rng(int(1e6 * abs(t["moles"])))
    places = tuple((float(moles.uniform(-0.55, 0.55)), float(moles.uniform(-0.5, 0.95))) for _ in range(moles.poisson(1.3)))
    return Skin(
        colour=colour * mood,
        lips=lips,
        rosy=0.10 + 0.28 * (1 - _rise(age, 3, 16)),
        wrinkles=max(old, 0.0),
        bags=0.12 + 0.75 * _rise(age, 28, 70),
        spots=_rise(age, 52, 84),
        freckles=max(0.0, t["freckles"] - 0.9) * (0.3 + 0.7 * _rise(age, 3, 9)) * (1 - 0.5 * _rise(age, 25, 60)),
        moles=places if age > 6 else places[:1],
        rough=0.25 + 0.75 * _rise(age, 12, 70),
    )


def _beard(t: dict[str, float], female: bool, age: float) -> tuple[str, float]:
    if female or age < 16:
        return "none", 0.0
    density = _rise(age, 16, 26) * float(np.clip(0.55 + 0.3 * t["beard_density"], 0.1, 1))
    kinds = ((1.35, "full"), (1.0, "goatee"), (0.75, "moustache"))
    kind = next((name for limit, name in kinds if t["beard"] > limit), "none")
    return (kind if age > 23 else "none"), density


def _hair_colour(t: dict[str, float], age: float) -> Array:
    fair = 0.10 + 0.20 * t["hair_light"] - 0.34 * t["melanin"] + 0.14 * (1 - _rise(age, 2, 16))
    colour = _between(_HAIR, fair)
    return colour + float(np.clip((t["hair_red"] - 1.0) * 0.8, 0, 0.7)) * (1 if fair > 0.1 else 0) * (_RED - colour)


def _hair(t: dict[str, float], female: bool, age: float, dyed: bool) -> Hair:
    grey = 1 / (1 + math.exp(-(age - (51 + 6.5 * t["grey_onset"])) / 4.5)) * (0.25 if dyed else 1.0)
    colour = _hair_colour(t, age)
    hair = colour + grey * (_GREY - colour)
    brows = 0.72 * (colour + 0.65 * grey * (_GREY - colour))
    beard_grey = min(1.0, 1.15 * grey)
    kind, stubble = _beard(t, female, age)
    styles = STYLES_F if female else STYLES_M
    style = styles[int(8 * _rise(t["style"], -1.9, 1.9)) % 8]
    recede = 0.0 if female else float(np.clip(0.55 + 0.55 * t["balding"], 0, 1.5)) * _rise(age, 24, 66)
    return Hair(
        colour=hair,
        brows=brows,
        beard_colour=0.85 * (colour + beard_grey * (_GREY - colour)),
        style=_style_at(style, female, age, t),
        line=-0.70 - 0.05 * t["hairline"] - 0.06 * (1 - _rise(age, 2, 12)),
        recede=recede,
        thin=1 - _rise(age, 0.3, 2.6),
        curl=float(np.clip(0.25 + 0.4 * t["hair_curl"], 0, 1)),
        part=0.45 * math.tanh(1.5 * t["neatness"]),
        beard=kind,
        stubble=stubble,
    )


def _style_at(style: str, female: bool, age: float, t: dict[str, float]) -> str:
    """The style at an age: down on babies, pigtails or a fringe on small girls, short curls on old women."""
    if age < 1.6:
        return "down"
    if female and age < 11:
        return ("pigtails", "bob_fringe", "long_fringe", "ponytail")[int(2 * abs(t["style"])) % 4]
    if female and age > 58 and t["neatness"] < 0.7:
        return "curly_short" if t["hair_curl"] > -0.4 else "pixie"
    if not female and age < 13:
        return ("fringe", "short", "side", "crew")[int(2 * abs(t["style"])) % 4]
    return style


def look_at(person: Person, age: float, rng: np.random.Generator) -> Look:
    """What this person looks like at an apparent age (years); `rng` draws what changes from day to day."""
    t, female = person.traits, person.female
    makeup = female and age > 15 and rng.random() < _rise(t["makeup"], -2, 2)
    dyed = rng.random() < (0.55 if female and t["neatness"] > 0 else 0.04)
    wears = _rise(age, 4, 14) * (t["glasses"] > 0.95) or (age > 45 and t["glasses"] > 0.1 and rng.random() < 0.7)
    frames = np.array([[0.10, 0.09, 0.09], [0.25, 0.13, 0.08], [0.45, 0.42, 0.40], [0.35, 0.08, 0.10], [0.12, 0.16, 0.30]])
    return Look(
        shape=_shape(t, female, age),
        skin=_skin(t, female, age, makeup),
        hair=_hair(t, female, age, dyed),
        iris=_between(_IRIS, 0.13 + 0.20 * t["iris"] - 0.30 * t["melanin"]),
        iris_size=0.094 + 0.006 * (1 - _rise(age, 1, 10)),
        glasses=1 + int(10 * abs(t["glasses"])) % 3 if wears else 0,
        glasses_colour=frames[int(7 * abs(t["glasses"])) % 5],
        lashes=(0.5 if female else 0.15) + 0.5 * makeup,
        female=female,
        age=age,
    )
