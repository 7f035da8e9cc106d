"""Which forgotten people stand out one by one, by all of their photos, however many people are asked about.

A person's figure is the mean rank of the photos among unseen images of their class, 0.5 where nothing remains. How far it
strays by chance is known from the unseen people: they differ from each other (variance b), and the photos of one person do
(variance w), so that the mean of k photos has the variance b + w / k. The tail of Student's t, with as many degrees of
freedom as there are unseen people but one, gives each person a probability, and Holm's procedure bounds the chance that
anybody at all is named falsely (Holm 1979, Scandinavian Journal of Statistics 6). Ranks are bounded, so their means have
lighter tails than t.

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
    centre, between, within, strangers = _unseen_law(unseen, unseen_people)
    ids, _, photos, mean = _by_person(forget, forget_people)
    if not between + within:
        raise InputError("not tested: unseen people's ranks do not differ, as where a model answers alike to all images")
    deviation = np.sqrt((between + within / photos) * (1 + 1 / strangers))
    probability = student.sf((mean - centre) / deviation, strangers - 1)
    best = student.sf((1 - centre) / deviation, strangers - 1)
    return Individuals(ids, mean, probability, _holm(probability, error), best <= error / len(ids))


def _unseen_law(ranks: np.ndarray, people: np.ndarray) -> tuple[float, float, float, int]:
    """Mean over people, variance between people, variance of a person's photos (moment estimates), number of people."""
    ids, person, photos, mean = _by_person(ranks, people)
    if len(ids) < LEAST_UNSEEN or len(ranks) == len(ids):
        raise InputError(
            f"not tested at this size: {len(ids)} unseen people with {len(ranks)} photos; how people differ, and "
            f"their photos, is known from {LEAST_UNSEEN} people or more of whom some have several photos"
        )
    within = float(((ranks - mean[person]) ** 2).sum() / (len(ranks) - len(ids)))
    between = float(mean.var(ddof=1)) - within * float(np.mean(1 / photos))
    return float(mean.mean()), max(0.0, between), within, len(ids)


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
