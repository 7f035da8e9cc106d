"""Epsilon of the NeurIPS 2023 unlearning competition: how well the answers to one image tell unlearned models from
retrained ones.

Source: Triantafillou et al. 2024 (arXiv 2406.09073), section 3 and the public scorer. It is an estimate that
takes the best of many thresholds on the data that it is computed from: for equal distributions it is well above 0. What
the models prove is in `epsilon_bound`.
"""

import math
from typing import Literal

import numpy as np

from aru.core.errors import InputError

Cuts = Literal["every", "competition"]

DELTA = 1e-5
CAP = 50.0
PEAKED = 0.01
BUCKET = 0.5
GRID = 100  # thresholds of the scorer for each unit of phi
REACH = 2.0  # how far beyond the narrower range the scorer's double thresholds go


def epsilon_estimates(
    unlearned: np.ndarray, retrained: np.ndarray, *, delta: float = DELTA, cuts: Cuts = "every"
) -> np.ndarray:
    """The competition's epsilon of every image, in [0, 50].

    Shape: phi = log p_y - log(1 - p_y) of (U, M) unlearned and (R, M) retrained models, finite; result (M,).
    An image's epsilon is the largest over all thresholds of max(ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) /
    FPR)). A single threshold gives the higher side to the ensemble of the higher median; a double one gives what lies
    between to the ensemble of the narrower range. Thresholds with one kind of error and none of the other say that
    there are too few models and are left out; with no error at all, or where one range is below 1 % of the other,
    epsilon is 50. It is 0 where no threshold is left.

    cuts: the thresholds that are tried. `every`, each cut between two margins, so that the value is the scorer's or above it:
    not to be compared with published ones. `competition`, the scorer's grid, 100 for a unit of phi; a double threshold is the
    narrower range and up to 2 more or less on each side. Its time grows with the spread of phi.
    """
    if cuts not in ("every", "competition"):
        raise InputError(f"cuts is {cuts!r}: choose every or competition")
    unlearned, retrained = check_ensembles(unlearned, retrained)
    pairs = zip(unlearned.T, retrained.T, strict=True)
    return np.array([_image_epsilon(one, other, delta, cuts) for one, other in pairs])


def largest_estimate(models: int) -> float:
    """ln(N - 1): the largest epsilon below the cap that N models a side can give, one error on each."""
    return math.log(models - 1) if models > 1 else 0.0


def forgetting_quality(epsilons: np.ndarray, models: int) -> float:
    """The competition's forgetting score, in [0, 1]: mean over images of 2^-floor(epsilon / 0.5), and 0 for an image
    whose epsilon reaches ceil(ln(N - 1)), N models a side. Shape: (M,)."""
    points = np.exp2(-np.floor(np.asarray(epsilons) / BUCKET))
    return float(np.where(np.asarray(epsilons) < math.ceil(largest_estimate(models)), points, 0.0).mean())


def check_ensembles(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64; raise InputError unless they are finite, of two models or more each, and of the same images."""
    unlearned, retrained = (np.asarray(values, dtype=np.float64) for values in (unlearned, retrained))
    if unlearned.ndim != 2 or retrained.ndim != 2 or unlearned.shape[1] != retrained.shape[1] or not unlearned.size:
        raise InputError(
            f"scores {unlearned.shape} and {retrained.shape} do not fit: expected (models, images) of the same images"
        )
    if min(len(unlearned), len(retrained)) < 2:
        raise InputError(
            f"{len(unlearned)} unlearned and {len(retrained)} retrained models: an error rate needs two or more "
            "of each; unlearn and retrain with more seeds"
        )
    bad = int((~np.isfinite(unlearned)).sum() + (~np.isfinite(retrained)).sum())
    if bad:
        raise InputError(f"{bad} scores are not finite: a model of the ensemble has diverged; leave it out")
    return unlearned, retrained


def _image_epsilon(unlearned: np.ndarray, retrained: np.ndarray, delta: float, cuts: Cuts) -> float:
    narrow, wide = sorted((unlearned, retrained), key=np.ptp)
    if np.ptp(narrow) < PEAKED * np.ptp(wide):
        return CAP
    low, high = sorted((unlearned, retrained), key=np.median)
    if cuts == "competition":
        rates = [_single(high, low, _single_grid(high, low)), _inside(narrow, wide, *_double_grid(narrow))]
    else:
        rates = [_single(high, low), _double(narrow, wide)]
    false_positive, false_negative = (np.concatenate(side) for side in zip(*rates, strict=True))
    if ((false_positive == 0) & (false_negative == 0)).any():
        return CAP
    kept = (false_positive > 0) & (false_negative > 0)
    if not kept.any():
        return 0.0
    return min(CAP, float(epsilon_of(false_positive[kept], false_negative[kept], delta).max()))


def epsilon_of(false_positive: np.ndarray, false_negative: np.ndarray, delta: float) -> np.ndarray:
    """max(0, ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) / FPR)): the least epsilon that allows such rates.

    Source: Kairouz et al. 2015 (ICML), theorem 2.1. Shape: any, in (0, 1]; the same.
    """
    one, other = (1 - delta - false_positive) / false_negative, (1 - delta - false_negative) / false_positive
    return np.log(np.maximum(1.0, np.maximum(one, other)))


def _single(positive: np.ndarray, negative: np.ndarray, cuts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """FPR and FNR of "at or above t", t every value, or each of the cuts."""
    if cuts is None:
        cuts = np.unique(np.concatenate((positive, negative)))
    below_positive, below_negative = (np.searchsorted(np.sort(side), cuts) / len(side) for side in (positive, negative))
    return 1 - below_negative, below_positive


def _double(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FPR and FNR of "from a to b, both included", a <= b every two values."""
    cuts = np.unique(np.concatenate((positive, negative)))
    first, last = np.triu_indices(len(cuts))
    inside = []
    for side in (positive, negative):
        values = np.sort(side)
        below, upto = (np.searchsorted(values, cuts, side=edge) / len(side) for edge in ("left", "right"))
        inside.append(upto[last] - below[first])
    return inside[1], 1 - inside[0]


def _single_grid(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """The scorer's single thresholds: over the common range, ends included."""
    both = np.concatenate((positive, negative))
    return np.linspace(both.min(), both.max(), math.ceil(np.ptp(both) * GRID))


def _double_grid(positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scorer's double thresholds, left and right ends, `positive` being of the narrower range."""
    width = np.ptp(positive)
    low, high = positive.min() + width - REACH, positive.max() + REACH
    right = np.linspace(low, high, math.ceil((high - low) * GRID))
    left = right[:, None] - width + np.linspace(-REACH, REACH, math.ceil(2 * REACH * GRID))
    return left.reshape(-1), np.repeat(right, left.shape[1])


def _inside(positive: np.ndarray, negative: np.ndarray, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FPR and FNR of "from left to right, both included"."""
    inside = []
    for side in (positive, negative):
        values = np.sort(side)
        count = np.searchsorted(values, right, side="right") - np.searchsorted(values, left, side="left")
        inside.append(np.maximum(count, 0) / len(side))
    return inside[1], 1 - inside[0]
