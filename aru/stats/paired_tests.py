"""Paired differences between two methods: their interval, a p-value, Holm's correction and a test of equivalence.

Two methods of one training seed and draw start from the same original and are attacked on the same images, so their
difference is freed of both. The p-value is that of the paired t-test over independent units: the means of the training seeds,
or, with one seed alone, those of the draws (then it speaks of that one original). Draws and unlearning seeds under one
training seed share its original; counting them as units would make evidence out of repetition. A bootstrap p-value is not
given: with three units it is 0 whenever all differences have one sign, which chance alone brings about in one case of four.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from aru.core.errors import InputError
from aru.stats.bootstrap import Estimate, Place, estimate

MIN_UNITS = 3
"""With two units a t-test has one degree of freedom and is hardly ever decided."""
MARGIN = 0.02
"""A difference in test accuracy that is taken for none; two training seeds of one recipe differ by as much."""
ALPHA = 0.05


@dataclass(frozen=True)
class Difference:
    """A method's figure minus another's. p and holm are None where there are too few units or they do not differ at all."""

    estimate: Estimate
    pairs: int
    units: int
    p: float | None
    holm: float | None = None


@dataclass(frozen=True)
class Equivalence:
    """Whether a difference beyond the margin is excluded, by two one-sided t-tests (Schuirmann 1987)."""

    margin: float
    p: float | None

    @property
    def verdict(self) -> str:
        """`equivalent`, or `not shown`: the latter is not a sign of a difference. `not tested` with too few units."""
        if self.p is None:
            return "not tested"
        return "equivalent" if self.p < ALPHA else "not shown"


def difference(ours: Mapping[Place, float], theirs: Mapping[Place, float]) -> Difference | None:
    """Over the places (training seed, draw) that both have; values are means over unlearning seeds. None without any."""
    pairs = {place: ours[place] - theirs[place] for place in sorted(ours.keys() & theirs.keys())}
    if not pairs:
        return None
    units = unit_means(pairs)
    return Difference(estimate(list(pairs.values()), list(pairs)), len(pairs), len(units), t_test(units))


def unit_means(pairs: Mapping[Place, float]) -> np.ndarray:
    """The values of the independent units: a mean for each training seed, or the draws' values where there is one seed."""
    seeds = sorted({seed for seed, _ in pairs})
    if len(seeds) == 1:
        return np.array(list(pairs.values()))
    return np.array([np.mean([value for (seed, _), value in pairs.items() if seed == one]) for one in seeds])


def t_test(units: np.ndarray) -> float | None:
    """Two-sided p-value of mean 0. Shape: (N,). None with fewer than `MIN_UNITS` units, or where all are the same."""
    if not _testable(units):
        return None
    return float(stats.ttest_1samp(units, 0.0).pvalue)


def equivalence(pairs: Mapping[Place, float], *, margin: float = MARGIN) -> Equivalence:
    """Two one-sided tests over the units of paired differences: is the mean within -margin and +margin?

    Raises InputError for a margin that is not positive.
    """
    if not margin > 0:
        raise InputError(f"margin = {margin}: it must be above 0, such as {MARGIN}")
    units = unit_means(pairs) if pairs else np.empty(0)
    if not _testable(units):
        return Equivalence(margin, None)
    lower = stats.ttest_1samp(units, -margin, alternative="greater").pvalue
    upper = stats.ttest_1samp(units, margin, alternative="less").pvalue
    return Equivalence(margin, float(max(lower, upper)))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down p-values (1979): the family-wise error over all values that are not None stays below the level."""
    given = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (value, place) in enumerate(given):
        highest = max(highest, min(1.0, (len(given) - rank) * value))
        adjusted[place] = highest
    return adjusted


def _testable(units: np.ndarray) -> bool:
    return len(units) >= MIN_UNITS and bool(np.ptp(units) > 1e-12 * max(1.0, float(np.abs(units).max())))
