"""Which forgotten people stand out one by one, by all of their photos, however many people are asked about.

A person's figure is the mean rank of the photos among unseen images of their class, 0.5 where nothing remains. How far it
strays by chance is known from the unseen people's own means. Of a person with fewer photos than they have the mean strays
farther, by what photos of one person differ; of one with more photos it is held to stray as far as theirs: how much of it
is the person and how much the photos is not known well enough to say less (an estimate comes out at nothing but photos in
many draws, and then somebody would be named). The tail of Student's t, with as many degrees of freedom as there are unseen
people but one, gives each person a probability, and Holm's procedure bounds the chance that anybody at all is named
falsely (Holm 1979, Scandinavian Journal of Statistics 6). Ranks are bounded, so their means have lighter tails than t.

A mean finds what is distributed over a person's photos; the highest-scoring photo alone, as in `exposure.py`, does not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from aru.core.errors import InputError

ERROR = 0.01
"""Chance that anybody is found who was forgotten; so a model of which nothing remains fails at most 1 audit of 100 by it."""
LEAST_UNSEEN = 10


@dataclass(frozen=True)
class Individuals:
    """People in the order of their ids. Shape: each (P,).

    found: who stands out at the family's error rate. testable: who could be found at all, by photos that all rank first.
    """

    ids: np.ndarray
    mean: np.ndarray
    probability: np.ndarray
    found: np.ndarray
    testable: np.ndarray


def individuals(
    forget: np.ndarray, forget_people: np.ndarray, unseen: np.ndarray, unseen_people: np.ndarray, *, error: float = ERROR
) -> Individuals:
    """Test every forgotten person. Shape: ranks among unseen images of the class, (F,) and (U,), and the person of each.

    Raises InputError where fewer than 10 unseen people, no two photos of any of them, or ranks that are all one, do not say
    how people differ.
    """
    ids, _, photos, mean = _by_person(forget, forget_people)
    centre, deviation, freedom = _unseen_law(unseen, unseen_people, photos)
    probability = student.sf((mean - centre) / deviation, freedom)
    best = student.sf((1 - centre) / deviation, freedom)
    return Individuals(ids, mean, probability, _holm(probability, error), best <= error / len(ids))


def _unseen_law(ranks: np.ndarray, people: np.ndarray, asked: np.ndarray) -> tuple[float, np.ndarray, int]:
    """Mean over people; how far that of `asked` photos (P,) of one more person strays from it, (P,); degrees of freedom."""
    ids, person, photos, mean = _by_person(ranks, people)
    if len(ids) < LEAST_UNSEEN or len(ranks) == len(ids):
        raise InputError(
            f"not tested at this size: {len(ids)} unseen people with {len(ranks)} photos; how people differ, and "
            f"their photos, is known from {LEAST_UNSEEN} people or more of whom some have several photos"
        )
    within = float(((ranks - mean[person]) ** 2).sum() / (len(ranks) - len(ids)))
    variance = mean.var(ddof=1) + within * np.maximum(0, 1 / asked - np.mean(1 / photos))
    if not variance.all():
        raise InputError("not tested: unseen people's ranks do not differ, as where a model answers alike to all images")
    return float(mean.mean()), np.sqrt(variance * (1 + 1 / len(ids))), len(ids) - 1


def _by_person(ranks: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ids, each photo's person, photos of each and their mean rank."""
    ids, person = np.unique(people, return_inverse=True)
    person = person.reshape(-1)
    photos = np.bincount(person)
    return ids, person, photos, np.bincount(person, weights=ranks) / photos


def _holm(probability: np.ndarray, error: float) -> np.ndarray:
    """Who is found by Holm's step-down procedure. Shape: (P,) bool."""
    order = np.argsort(probability, kind="stable")
    steps = probability[order] <= error / np.arange(len(order), 0, -1)
    found = np.zeros(len(order), dtype=bool)
    found[order[: len(order) if steps.all() else int(np.argmin(steps))]] = True
    return found
