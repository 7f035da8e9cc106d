"""Who is found: the share of the forgotten people at few false accusations, and the most exposed of them.

And of the people who stay, who became more exposed.
"""

from dataclasses import dataclass

import numpy as np

from aru.audit.audit_file import MoreExposed, PeopleFigures
from aru.audit.few_people import auc_over_people
from aru.audit.verdicts import Measurement, NotRun
from aru.core.errors import InputError
from aru.metrics.membership.plain_attacks import class_ranks, ranks_among_others
from aru.metrics.people.exposure import most_exposed, people_scores
from aru.metrics.people.individuals import individuals
from aru.stats.intervals import interval
from aru.stats.roc import clopper_pearson, tpr_at_fpr

PEOPLE_RATE = 0.05
"""False accusations among unseen people: 1 % of some 45 people is nobody."""
EXPOSED = 10


@dataclass(frozen=True)
class PeopleFound:
    """auc: chance that a forgotten person scores higher than an unseen one. share: of the forgotten people who are found where
    5 % of the unseen people are accused. details: both numbers of people and the most exposed of the forgotten ones.
    """

    auc: Measurement | NotRun
    share: Measurement | NotRun
    details: PeopleFigures


def not_compared(why: NotRun) -> PeopleFound:
    """What is said of people who could be compared with nobody."""
    return PeopleFound(why, why, {"forgotten": 0, "unseen": 0, "most_exposed": []})


def people_found(
    forget: np.ndarray, forget_people: np.ndarray, unseen: np.ndarray, unseen_people: np.ndarray, *, resamples: int, seed: int
) -> PeopleFound:
    """Who is found by scores of photos, each person by the one that scores highest (`aru.metrics.people.exposure`).

    The threshold lies anew in each resample of the unseen people, so that its chance is in the interval. Shape: scores
    (F,) and (U,), higher for members, and the person of each.
    """
    found, others = people_scores(forget, forget_people, unseen, unseen_people, seed=seed)
    rng = np.random.default_rng([seed, len(others.score)])
    drawn = [
        _share(rng.choice(found.score, len(found.score)), rng.choice(others.score, len(others.score)))
        for _ in range(resamples)
    ]
    share = _with_interval(_share(found.score, others.score), np.array(drawn), len(found.ids))
    ids = np.arange(len(found.ids)), np.arange(len(others.ids))
    return PeopleFound(
        auc_over_people(found.score, others.score, ids, resamples=resamples, seed=seed),
        share,
        {"forgotten": len(found.ids), "unseen": len(others.ids), "most_exposed": most_exposed(found, count=EXPOSED)},
    )


def more_exposed(
    before: np.ndarray,
    after: np.ndarray,
    people: np.ndarray,
    unseen: tuple[np.ndarray, np.ndarray],
    unseen_people: np.ndarray,
) -> tuple[list[MoreExposed], int]:
    """Whose scores rose, and more than strangers' did, the surest first, at most `EXPOSED`; and how many stand out.

    The rise of each photo is ranked among the rises of unseen photos; a person stands out by the mean rank, Holm's procedure
    over all of them (`aru.metrics.people.individuals`). Shape: before, after and people (M,); unseen, both (U,), and their
    people. Raises InputError where too few strangers, or none whose scores moved, say how they move by chance.
    """
    rise, strange = after - before, unseen[1] - unseen[0]
    if not np.ptp(strange):
        raise InputError("no stranger's score moved: nobody can be compared with them")
    strata = np.zeros(len(rise), dtype=np.int64), np.zeros(len(strange), dtype=np.int64)
    ranks = class_ranks(rise, strata[0], strange, strata[1]), ranks_among_others(strange, strata[1])
    found = individuals(ranks[0], people, ranks[1], unseen_people)
    person = np.searchsorted(found.ids, people)
    photos = np.bincount(person)
    means = [np.bincount(person, weights=scores) / photos for scores in (before, after)]
    order = [row for row in np.lexsort((found.ids, -found.mean, found.probability)) if means[1][row] > means[0][row]][:EXPOSED]
    return [
        {
            "id": str(found.ids[row]),
            "photos": int(photos[row]),
            "before": float(means[0][row]),
            "after": float(means[1][row]),
            "probability": float(found.probability[row]),
            "stands_out": bool(found.found[row]),
        }
        for row in order
    ], int(found.found.sum())


def _with_interval(share: float, drawn: np.ndarray, people: int) -> Measurement:
    """The bootstrap's interval, or Clopper and Pearson's where that is wider: the bootstrap is sure of nobody and of all."""
    successes = round(share * people)
    exact = clopper_pearson(successes, people)
    bounds = interval(drawn) or exact
    typical = (successes + 1) / (people + 2)
    error = max(float(drawn.std()), (typical * (1 - typical) / people) ** 0.5)
    return Measurement(share, (min(bounds[0], exact[0]), max(bounds[1], exact[1])), error)


def _share(found: np.ndarray, others: np.ndarray) -> float:
    """TPR at the rate of people, or at that of one false accusation where there are fewer than 20 unseen people."""
    point = tpr_at_fpr(found, others, max(PEOPLE_RATE, 1 / len(others)))
    return np.nan if point.tpr is None else float(point.tpr)
