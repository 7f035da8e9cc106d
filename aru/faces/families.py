"""The invented people of `faces`: sex, inherited traits, and families whose members resemble one another."""

from dataclasses import dataclass

import numpy as np

# Inherited: standard normal values, mixed from the parents'. ageing.py turns each of them into a part of the picture.
# fmt: off
GENES = (
    "melanin", "undertone", "freckles", "wrinkling",
    "face_width", "jaw_width", "chin_length", "chin_width", "cheeks", "ear_size",
    "eye_size", "eye_space", "eye_tilt", "eye_lid", "iris", "brow_weight", "brow_arch", "brow_height",
    "nose_width", "nose_length", "nose_bridge", "mouth_width", "mouth_height", "upper_lip", "lower_lip",
    "hair_light", "hair_red", "hair_curl", "hairline", "balding", "grey_onset", "beard_density",
)
# fmt: on
# One's own: never inherited.
HABITS = ("style", "glasses", "makeup", "beard", "moles", "apparent", "neatness")

_MUTATION = 0.35
_ADULT_CHILD, _OLDEST = 48, 88


@dataclass(frozen=True)
class Person:
    """One invented person; `traits` maps every name of GENES and HABITS to a value (standard normal)."""

    role: str
    female: bool
    collected: int
    traits: dict[str, float]


def _habits(rng: np.random.Generator) -> dict[str, float]:
    return dict(zip(HABITS, rng.standard_normal(len(HABITS)).tolist(), strict=True))


def founder(rng: np.random.Generator, *, role: str, female: bool, collected: int, near: float = 0.0) -> Person:
    """Somebody without known parents; `near` shifts melanin towards the family's."""
    genes = dict(zip(GENES, rng.standard_normal(len(GENES)).tolist(), strict=True))
    genes["melanin"] = 0.45 * genes["melanin"] + near
    return Person(role, female, collected, genes | _habits(rng))


def child(rng: np.random.Generator, mother: Person, father: Person, *, role: str, female: bool, collected: int) -> Person:
    """A child: each gene from one of the two parents or between them, with a small mutation."""
    weights = rng.choice([0.0, 0.15, 0.5, 0.85, 1.0], size=len(GENES))
    changes = _MUTATION * rng.standard_normal(len(GENES))
    genes = {
        name: float(weight * mother.traits[name] + (1 - weight) * father.traits[name] + change)
        for name, weight, change in zip(GENES, weights, changes, strict=True)
    }
    return Person(role, female, collected, genes | _habits(rng))


def _children(rng: np.random.Generator, mother: Person, father: Person, count: int, eldest: int) -> list[Person]:
    people, seen, age = [], {"D": 0, "S": 0}, eldest
    for _ in range(count):
        letter = "D" if rng.random() < 0.53 else "S"
        seen[letter] += 1
        role = letter if seen[letter] == 1 else f"{letter}{seen[letter]}"
        people.append(child(rng, mother, father, role=role, female=letter == "D", collected=max(age, 3)))
        age -= int(rng.integers(1, 6))
    return people


def family(rng: np.random.Generator, *, members: int) -> list[Person]:
    """The photographed members of one family, two to six: children, parents, at times a grandparent.

    Names as in MUFAC: D, D2 daughters, S, S2 sons, M and F the parents, GM and GF grandparents.
    """
    near = float(rng.normal(0, 1.0))
    old = rng.random() < 0.25
    eldest = int(rng.integers(30, _ADULT_CHILD)) if old else int(rng.integers(8, 27))
    parent = min(eldest + int(rng.integers(23, 35)), _OLDEST)
    grandmother, grandfather = (
        founder(
            rng,
            role=role,
            female=role == "GM",
            near=near,
            collected=min(parent + int(rng.integers(22, 32)), _OLDEST),
        )
        for role in ("GM", "GF")
    )
    mother = child(rng, grandmother, grandfather, role="M", female=True, collected=parent)
    father = founder(rng, role="F", female=False, collected=min(parent + int(rng.integers(-3, 6)), _OLDEST), near=near)
    children = _children(rng, mother, father, max(1, members - int(rng.integers(1, 3))), eldest)
    elders = [mother, father] if rng.random() < 0.5 else [father, mother]
    if rng.random() < 0.35:
        elders.insert(0, grandmother if rng.random() < 0.7 else grandfather)
    return sorted((children + elders)[:members], key=lambda person: person.role)
