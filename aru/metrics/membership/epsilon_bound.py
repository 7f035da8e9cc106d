"""Lower bounds on epsilon that hold with a stated confidence, from ensembles of models.

An unlearning method is (epsilon, delta)-close to retraining when no test on one model tells the two apart better than
epsilon allows. A test that succeeds on finitely many models proves only that epsilon is at least so large.
"""

import numpy as np
from scipy.stats import beta

from aru.core.errors import InputError
from aru.metrics.membership.epsilon import DELTA, check_ensembles, epsilon_of

CONFIDENCE = 0.95
RANKS = (0.0, 0.25)
"""Shares of one ensemble that lie beyond a threshold: its extreme value, and its quarter."""


def lower_bounds(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    *,
    seed: int,
    confidence: float = CONFIDENCE,
    delta: float = DELTA,
) -> np.ndarray:
    """For every column a bound that is above its true epsilon in at most 1 - confidence of all repeats.

    Shape: scores (U, M) and (R, M), finite, a column an image or any other fixed function of a model; result (M,). The
    models of a side are independent draws: of training and unlearning, or, where all are unlearned from one original,
    of unlearning, and then the bound speaks of that original alone.

    A threshold must not be chosen by its success. Here thresholds are order statistics of fixed rank of one ensemble:
    its k-th highest, its k-th lowest, or both, with what lies beyond given to the other ensemble. The share of the law
    beyond is then Beta distributed whatever the law, so its upper bound is Clopper and Pearson's for k - 1 errors, or
    2 k - 1 for both (Wilks 1941, tolerance limits), and the errors of the other ensemble are binomial. All bounds hold
    together by Bonferroni. Equal scores are ordered by independent random numbers, which is one more randomised
    test. Choosing a threshold on one half and bounding on the other is as valid; on Gaussians and coins its bounds were
    nowhere larger, at 8 to 128 models. Few ranks are tried, to pay little for each: with thousands of models the bound
    still stays below the truth (1.6 of 2 for Laplace noise).
    """
    unlearned, retrained = check_ensembles(unlearned, retrained)
    _check_levels(confidence, delta)
    ranks = _ranks(np.concatenate((unlearned, retrained)), np.random.default_rng([seed, 0]))
    sides = ranks[: len(unlearned)], ranks[len(unlearned) :]
    tests = _tests(len(unlearned), len(retrained))
    tail = (1 - confidence) / (2 * len(tests))
    best = np.zeros(ranks.shape[1])
    for giver, low, high, beyond in tests:
        given, other = np.sort(sides[giver], axis=0), sides[1 - giver]
        missed = np.ones(other.shape, dtype=bool)
        if low is not None:
            missed &= other > given[low]
        if high is not None:
            missed &= other < given[high]
        false_positive = _upper(np.array(beyond), len(given), tail)
        best = np.maximum(best, epsilon_of(false_positive, _upper(missed.sum(axis=0), len(other), tail), delta))
    return best


def largest_bound(unlearned: int, retrained: int, *, confidence: float = CONFIDENCE, delta: float = DELTA) -> float:
    """The bound that so many models give when they are perfectly apart: a larger epsilon can not be shown."""
    one, other = np.zeros((unlearned, 1)), np.ones((retrained, 1))
    return float(lower_bounds(one, other, seed=0, confidence=confidence, delta=delta)[0])


def _tests(unlearned: int, retrained: int) -> list[tuple[int, int | None, int | None, int]]:
    """(ensemble that gives the threshold, low and high order statistic or None, errors that its Beta law counts)."""
    tests: list[tuple[int, int | None, int | None, int]] = []
    for giver, models in enumerate((unlearned, retrained)):
        for beyond in sorted({int(share * models) for share in RANKS}):
            low, high = beyond, models - 1 - beyond
            tests += [(giver, None, high, beyond), (giver, low, None, beyond)]
            if low < high:
                tests.append((giver, low, high, 2 * beyond + 1))
    return tests


def _upper(errors: np.ndarray, models: int, tail: float) -> np.ndarray:
    """Clopper and Pearson's upper bound of an error rate, exceeded with chance `tail` at most. Shape: any."""
    return np.where(errors < models, beta.ppf(1 - tail, errors + 1, np.maximum(models - errors, 1)), 1.0)


def _ranks(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Place of every score in its column, equal ones in random order. Shape: (N, M)."""
    order = np.lexsort((rng.random(scores.shape), scores), axis=0)
    ranks = np.empty(scores.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(len(scores))[:, None], axis=0)
    return ranks


def _check_levels(confidence: float, delta: float) -> None:
    if not 0.5 < confidence < 1:
        raise InputError(f"confidence is {confidence}: give one between 0.5 and 1, as 0.95")
    if not 0 <= delta < 0.5:
        raise InputError(f"delta is {delta}: it is the chance of a breach without limit; give 0 or a small share as 1e-5")
