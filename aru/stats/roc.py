"""How well a score tells members from others: AUC, and how many are found at a stated rate of false accusations."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from aru.core.errors import InputError
from aru.stats.intervals import LEVEL, draw_counts, interval

FALSE_POSITIVE_RATES = (0.001, 0.01)
ROUNDING = 1e-9


@dataclass(frozen=True)
class OperatingPoint:
    """An attack held to a rate of false accusations.

    asked: that rate. smallest: the smallest rate that so many non-members can show, 1 / n. Where `asked` is below it
    the test can not be made: `measured` is False and the rest None. fpr, tpr: shares of non-members and members
    accused. The intervals are Clopper and Pearson's for the threshold taken; they count each score as independent,
    so they are too narrow for several photos of a person, and hold for scores by person.
    """

    asked: float
    smallest: float
    measured: bool
    fpr: float | None = None
    fpr_interval: list[float] | None = None
    tpr: float | None = None
    tpr_interval: list[float] | None = None


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """Chance that a member scores higher than a non-member, ties half. Shape: (F,) and (U,), finite, not empty."""
    members, others = check_scores(members, others)
    return float(_weighted_auc(members, others, np.ones((1, len(members))), np.ones((1, len(others))))[0])


def auc_interval(
    members: np.ndarray,
    others: np.ndarray,
    *,
    people: tuple[np.ndarray, np.ndarray] | None,
    resamples: int,
    seed: int,
) -> list[float] | None:
    """95 % percentile bootstrap interval of the AUC, people drawn with all their scores.

    Shape: people ((F,), (U,)), the person of every score; None where every score is a person of its own.
    """
    members, others = check_scores(members, others)
    counts = [
        draw_counts(
            len(side), people[number] if people else None, resamples=resamples, rng=np.random.default_rng([seed, number])
        )
        for number, side in enumerate((members, others))
    ]
    return interval(_weighted_auc(members, others, *counts))


def tpr_at_fpr(members: np.ndarray, others: np.ndarray, rate: float) -> OperatingPoint:
    """Share of members found by the lowest threshold that accuses at most `rate`, in (0, 1), of the non-members.

    A score is accused when it lies strictly above the threshold: scores that tie with a non-member too many are
    left alone, so that the rate is never exceeded. Shape: (F,) and (U,).
    """
    members, others = check_scores(members, others)
    if not 0 < rate < 1:
        raise InputError(f"the false-positive rate is {rate}: give a share between 0 and 1, as 0.01")
    allowed, smallest = math.floor(rate * len(others) + ROUNDING), 1 / len(others)
    if allowed == 0:
        return OperatingPoint(rate, smallest, measured=False)
    threshold = np.sort(others)[-allowed - 1]  # exists: allowed < U as rate < 1
    found, accused = int((members > threshold).sum()), int((others > threshold).sum())
    return OperatingPoint(
        asked=rate,
        smallest=smallest,
        measured=True,
        fpr=accused / len(others),
        fpr_interval=clopper_pearson(accused, len(others)),
        tpr=found / len(members),
        tpr_interval=clopper_pearson(found, len(members)),
    )


def clopper_pearson(successes: int, trials: int, *, level: float = LEVEL) -> list[float]:
    """The exact interval of a share (Clopper and Pearson 1934): it covers with `level` or more, at any size."""
    if trials < 1 or not 0 <= successes <= trials:
        raise InputError(f"{successes} successes in {trials} trials: 0 to n successes in at least 1 trial are needed")
    tail = (1 - level) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return [float(low), float(high)]


def check_scores(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64; raise InputError where a side is empty, not finite or not one-dimensional."""
    checked = []
    for name, scores in (("members'", members), ("non-members'", others)):
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 1 or not scores.size:
            raise InputError(
                f"the {name} scores have the shape {scores.shape}: one score an image or person is needed, and one at least"
            )
        if not np.isfinite(scores).all():
            raise InputError(
                f"{int((~np.isfinite(scores)).sum())} of {len(scores)} {name} scores are not finite: the "
                "model has diverged, or an attack divides by nothing"
            )
        checked.append(scores)
    return checked[0], checked[1]


def _weighted_auc(members: np.ndarray, others: np.ndarray, member_counts: np.ndarray, other_counts: np.ndarray) -> np.ndarray:
    """AUC under each row of counts. Shape: counts (R, F) and (R, U); result (R,)."""
    order = np.argsort(others, kind="stable")
    mass = np.pad(np.cumsum(other_counts[:, order], axis=1), ((0, 0), (1, 0)))
    below, upto = (mass[:, np.searchsorted(others[order], members, side=side)] for side in ("left", "right"))
    won = (member_counts * (below + upto)).sum(axis=1) / 2
    return won / (member_counts.sum(axis=1) * other_counts.sum(axis=1))
