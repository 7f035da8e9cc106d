"""Intervals over people at any number of them.

From ten on both sides, the bootstrap's; from five, the same, widened as Student's law asks for so few (Hesterberg 2015, The
American Statistician 69, section 3); of fewer forgotten people, that of unseen people who stand in for them
(`aru.stats.stand_ins`); else the figure is not tested at this size.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import norm, t

from aru.audit.case import Case
from aru.audit.verdicts import Measurement, NotRun, from_interval
from aru.core.errors import InputError
from aru.core.names import FORGET, UNSEEN
from aru.stats.intervals import LEVEL
from aru.stats.roc import auc, auc_interval
from aru.stats.stand_ins import LEAST_PEOPLE, Within, enough, null_of, shifted, stand_ins

ENOUGH_PEOPLE = 10
SHARE, GAP = (0.0, 1.0), (-1.0, 1.0)
"""What shares and AUCs, and differences of them, lie within."""


def over_people(
    case: Case,
    figure: float,
    bootstrap: Callable[[], Measurement],
    null: Callable[[np.ndarray, np.ndarray], float],
    *,
    within: Within = SHARE,
) -> Measurement | NotRun:
    """A figure of the forget set with its interval over people.

    bootstrap: the figure with the interval that serves where there are enough people. null: the same figure where the unseen
    images of the first argument (indices into the set) stand for the forget images and those of the second for the unseen.
    """
    try:
        sets = case.stand_ins
        if sets is None:
            return widened(bootstrap(), _fewer(case), within)
        shift = shifted(float(figure), null_of(null, sets), within=within)
    except InputError as error:
        return NotRun(str(error), _finite(figure))
    return Measurement(shift.figure, shift.interval, shift.error)


def bootstrap_only(
    case: Case, figure: float, bootstrap: Callable[[], Measurement | NotRun], *, within: Within = SHARE
) -> Measurement | NotRun:
    """A figure of the forget set that unseen people cannot stand in for: not tested where the bootstrap does not serve."""
    try:
        if case.stand_ins is None:
            return widened(bootstrap(), _fewer(case), within)
    except InputError as error:
        return NotRun(str(error), _finite(figure))
    return NotRun(too_few(len(set(case.people(FORGET))), FORGET), _finite(figure))


def of_set(
    case: Case, role: str, figure: float, bootstrap: Callable[[], Measurement], *, within: Within = GAP
) -> Measurement | NotRun:
    """A figure of one set that is not forget, with its bootstrap interval over people."""
    people = len(set(case.people(role)))
    if people < LEAST_PEOPLE:
        return NotRun(too_few(people, role), _finite(figure))
    return widened(bootstrap(), people, within)


def auc_over_people(
    members: np.ndarray, others: np.ndarray, people: tuple[np.ndarray, np.ndarray], *, resamples: int, seed: int
) -> Measurement | NotRun:
    """AUC of scores with its interval over the people of both sides. Shape: (F,), (U,), and the person of each."""
    figure = auc(members, others)
    try:
        if enough(*people):
            found = from_interval(figure, auc_interval(members, others, people=people, resamples=resamples, seed=seed))
            return widened(found, min(len(np.unique(side)) for side in people), SHARE)
        sets = stand_ins(*people, seed=seed)
        shift = shifted(figure, null_of(lambda standing, rest: auc(others[standing], others[rest]), sets), within=SHARE)
    except InputError as error:
        return NotRun(str(error), figure)
    return Measurement(shift.figure, shift.interval, shift.error)


def widened(found: Measurement | NotRun, people: int, within: Within) -> Measurement | NotRun:
    """A bootstrap interval over few people as wide as it should be: with Student's quantile, and n - 1 in the variance."""
    if people >= ENOUGH_PEOPLE or isinstance(found, NotRun) or found.interval is None or found.error is None:
        return found
    factor = float(t.ppf((1 + LEVEL) / 2, people - 1) / norm.ppf((1 + LEVEL) / 2)) * (people / (people - 1)) ** 0.5
    low, high = (float(np.clip(found.figure + factor * (end - found.figure), *within)) for end in found.interval)
    return Measurement(found.figure, (low, high), factor * found.error)


def _fewer(case: Case) -> int:
    """The smaller of the numbers of forgotten and of unseen people."""
    return min(len(set(case.people(role))) for role in (FORGET, UNSEEN))


def too_few(people: int, role: str) -> str:
    """Why a figure of so few people is not tested."""
    return (
        f"not tested at this size: {people} {'person' if people == 1 else 'people'} in the {role} set; an interval over "
        f"people needs {LEAST_PEOPLE} or more"
    )


def _finite(figure: float) -> float | None:
    return float(figure) if np.isfinite(figure) else None
