"""The rows of `faces` and the photos behind them."""

from dataclasses import dataclass

import numpy as np

from aru.faces.families import Person

# The benchmark's classes: first and last year of each.
CLASSES = {
    "a": (0, 6),
    "b": (7, 12),
    "c": (13, 19),
    "d": (20, 30),
    "e": (31, 45),
    "f": (46, 55),
    "g": (56, 66),
    "h": (67, 80),
}
SPLITS = ("train", "val", "test")
FIRST_FAMILY = {"train": 1, "val": 801, "test": 851}

FAMILIES = 100  # in the full archive

# Looks deceive: log-normal deviations of the apparent from the true age, one a person, one a photo.
PERSON_DEVIATION, PHOTO_DEVIATION = 0.15, 0.15


@dataclass(frozen=True)
class Photo:
    """One photo: of whom, at which age, how old they look (years), and when (0 long ago, 1 now)."""

    number: int
    person: Person
    age: float
    apparent: float
    year: float


@dataclass(frozen=True)
class Row:
    """One row of a CSV.

    `copy` is "" for the photo itself, "same" for its bytes a second time, "reencoded" for a copy that was compressed again.
    """

    split: str
    family: str
    role: str
    collected: int
    age_class: str
    photo: Photo
    copy: str
    upper: bool
    path: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Family and person as the archive names them."""
        return self.family, self.role


class Camera:
    """Takes the photos and numbers them."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.taken = rng, 0

    def take(self, person: Person, age_class: str) -> Photo:
        """A photo of this person at some age within the class."""
        low, high = CLASSES[age_class]
        age = float(self.rng.uniform(low, min(high, person.collected) + 1))
        offsets = np.clip([person.traits["apparent"], self.rng.standard_normal()], -2, 2)
        change = PERSON_DEVIATION * offsets[0] + PHOTO_DEVIATION * offsets[1]
        apparent = float(np.clip((age + 2.5) * np.exp(change) - 2.5, 0.3, 90))
        self.taken += 1
        return Photo(self.taken, person, age, apparent, float(np.clip(1 - (person.collected - age) / 50, 0, 1)))


def open_classes(person: Person) -> list[str]:
    """The classes that a person has lived to see."""
    return [name for name, (low, _) in CLASSES.items() if low <= person.collected]


def family_id(number: int) -> str:
    """The family's name in the archive: F0001."""
    return f"F{number:04d}"


def keys(rows: list[Row]) -> list[tuple[str, str]]:
    """The (family, person) keys in order of appearance."""
    return list(dict.fromkeys(row.key for row in rows))
