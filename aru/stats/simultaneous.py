"""Intervals for several figures at once: all of them hold together with the stated confidence."""

import numpy as np
from scipy.stats import norm, t

from aru.core.errors import InputError
from aru.stats.intervals import LEVEL


def simultaneous_intervals(
    figures: np.ndarray, resampled: np.ndarray, people: np.ndarray, *, level: float = LEVEL
) -> np.ndarray:
    """figure -+ c standard errors, one c for all, from the bootstrap law of the largest studentised deviation.

    Shape: figures (G,), resampled (R, G) with NaN where a resample has nobody of a group (a resample with nobody of any is
    left out), people (G,) of two or more that each figure rests on; result (G, 2).
    Figures that move together share most of the price, which Bonferroni and
    Holm would charge in full (Westfall and Young 1993, chapter 2). Few people make the bootstrap's error too small:
    it is widened by sqrt(P / (P - 1)) and by Student's t of P - 1 degrees of freedom in place of the normal law
    (Hesterberg 2015, The American Statistician 69, section 3).
    """
    figures, resampled, people = (np.asarray(values, dtype=np.float64) for values in (figures, resampled, people))
    if not figures.size or resampled.ndim != 2 or resampled.shape[1:] != figures.shape or people.shape != figures.shape:
        raise InputError(
            f"figures {figures.shape}, resamples {resampled.shape} and people {people.shape} do not fit: "
            "expected (G,), (R, G) and (G,), G at least 1"
        )
    if people.min() < 2:
        raise InputError(f"a figure rests on {people.min():.0f} people: an interval over people needs two or more")
    known = np.isfinite(resampled).any(axis=1)
    if not known.any():
        raise InputError("no resample of people has any of these figures: there are too few people to compare")
    resampled = resampled[known]
    error = np.nanstd(resampled, axis=0)
    deviation = np.divide(np.abs(resampled - figures), error, out=np.zeros_like(resampled), where=error > 0)
    factor = np.quantile(np.nanmax(deviation, axis=1), level)
    widened = t.ppf(norm.cdf(factor), people - 1) * np.sqrt(people / (people - 1))
    half = widened * error
    return np.column_stack((figures - half, figures + half))
