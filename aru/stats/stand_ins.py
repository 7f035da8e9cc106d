"""Few forgotten people: how far a figure strays by chance is read off unseen people who stand in for them.

A bootstrap over one or two people knows nothing of how people differ: that of one person has no width at all. But an unseen
person is what a forgotten one is where nothing remains. So as many unseen people, with as many photos, are taken for the
forgotten ones and held to the other unseen people, again and again: that is the law of the figure where there is nothing to
find. The interval is the figure with the deviations of that law. Where the forgotten people are like unseen ones it leaves out
the law's mean in at most 5 of 100 cases: exactly so for one person, whatever the scores are like, because the bounds are
those ranks that one more unseen person exceeds in at most 1 case of 40 (a permutation test; Davison and Hinkley 1997,
section 4.3). That asks for 39 unseen people.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from aru.core.errors import InputError
from aru.stats.intervals import LEVEL

LEAST_PEOPLE = 5
"""From so many people on, the bootstrap over people is used; docs/audit.md has the false alarms by number of people."""
LEAST_UNSEEN = math.ceil(2 / (1 - LEVEL)) - 1
"""Unseen people below whom the largest of all is exceeded by one more of them too often: 39."""
DRAWS = 200
"""Sets of people that stand in, at most."""

Within = tuple[float, float]


@dataclass(frozen=True)
class Shifted:
    """A figure with its interval, and the standard deviation of the law that it is read against."""

    figure: float
    interval: tuple[float, float]
    error: float


def enough(forget_people: np.ndarray, unseen_people: np.ndarray) -> bool:
    """Whether a bootstrap over people serves; False where stand-ins are needed. Raises InputError where neither serves."""
    forgotten, unseen = (len(np.unique(people)) for people in (forget_people, unseen_people))
    if forgotten >= LEAST_PEOPLE and unseen < LEAST_PEOPLE:
        raise InputError(
            f"not tested at this size: {_people(unseen)} unseen to compare with; an interval over people needs "
            f"{LEAST_PEOPLE} or more"
        )
    return forgotten >= LEAST_PEOPLE


def stand_ins(forget_people: np.ndarray, unseen_people: np.ndarray, *, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Photos of the unseen set that stand for the forget set, and those of the other unseen people: indices ((S,), (R,)).

    Each forgotten person is replaced by an unseen one with as many photos, or with as many as 39 unseen people have, if that
    is less: fewer photos stray further, which errs towards a wider interval. For one person every unseen person with enough
    photos stands in once, for several people sets are drawn; `DRAWS` at most. Shape: the person of every photo, (F,), (U,).
    Raises InputError where there are fewer than 39 unseen people.
    """
    person, sizes = (np.unique(unseen_people, return_inverse=True, return_counts=True)[part] for part in (1, 2))
    if len(sizes) < LEAST_UNSEEN:
        raise InputError(
            f"not tested at this size: {_people(len(set(forget_people)))} forgotten, {len(sizes)} unseen; where "
            f"fewer than {LEAST_PEOPLE} are forgotten, {LEAST_UNSEEN} unseen ones or more are needed"
        )
    most = int(np.sort(sizes)[-LEAST_UNSEEN])
    asked = np.sort(np.minimum(np.unique(forget_people, return_counts=True)[1], most))[::-1]
    rng = np.random.default_rng([seed, len(asked)])
    return [_split(person.reshape(-1), people, asked, rng) for people in _sets(sizes, asked, rng)]


def shifted(figure: float, null: np.ndarray, *, within: Within) -> Shifted:
    """The figure with the deviations that it has among stand-ins; `within`, its lowest and highest possible value.

    Shape: null (S,), the figure of every set of stand-ins; those that are NaN are left out. Raises InputError where fewer
    than 39 are left or the figure is NaN.
    """
    null = np.sort(null[np.isfinite(null)])
    if len(null) < LEAST_UNSEEN or not math.isfinite(figure):
        raise InputError(
            f"not tested at this size: {len(null)} sets of unseen people can stand for the forgotten ones in "
            f"their classes; {LEAST_UNSEEN} are needed"
        )
    outside = math.floor((len(null) + 1) * (1 - LEVEL) / 2)
    low, high, centre = null[outside - 1], null[-outside], null.mean()
    ends = np.clip((figure - (high - centre), figure + (centre - low)), *within)
    return Shifted(figure, (float(ends[0]), float(ends[1])), float(null.std()))


def null_of(figure: Callable[[np.ndarray, np.ndarray], float], sets: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The figure of every set of stand-ins, NaN where it has none. Shape: (S,)."""
    return np.array([figure(*pair) for pair in sets])


def _sets(sizes: np.ndarray, asked: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Numbers of unseen people, one for each forgotten person, each with the number of photos that is given."""
    if len(asked) == 1:
        yield from rng.permutation(np.flatnonzero(sizes >= asked[0]))[:DRAWS, None]
        return
    for _ in range(DRAWS):
        left, chosen = np.ones(len(sizes), dtype=bool), []
        for wanted in asked:  # the most photos first: few people have so many
            chosen.append(int(rng.choice(np.flatnonzero(left & (sizes >= wanted)))))
            left[chosen[-1]] = False
        yield np.array(chosen)


def _split(
    person: np.ndarray, people: np.ndarray, asked: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    standing = [rng.permutation(np.flatnonzero(person == one))[:count] for one, count in zip(people, asked, strict=True)]
    return np.sort(np.concatenate(standing)), np.flatnonzero(~np.isin(person, people))


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
