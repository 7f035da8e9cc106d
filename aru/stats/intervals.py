"""Percentile bootstrap: which images are drawn how often, and what interval the resampled figures give.

Photos of one person are not independent, so people are drawn, with all their photos, where it is known who is
who. Every model sees the same draws, which makes the intervals of differences between models the narrow,
paired ones.
"""

from typing import TypedDict

import numpy as np

from aru.core.errors import InputError

LEVEL = 0.95


class Estimate(TypedDict):
    """A figure, and its interval at `LEVEL` over people; None where no resample has a value."""

    figure: float
    interval: list[float] | None


class OwnShare(TypedDict):
    """Mean of a column in [0, 1], and its 95 % interval over people."""

    share: float
    interval: list[float] | None


class Share(OwnShare, total=False):
    """With the paired difference to `retrained`, of every other model."""

    gap: float
    gap_interval: list[float] | None


def draw_counts(size: int, groups: np.ndarray | None, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often every image is drawn in each resample, with replacement: in whole groups where they are given.

    A single group is no sample of groups: then its images are drawn, and the interval speaks of that person's
    photos alone. Shape: groups (M,) of any labels; result (resamples, M) float64, integers not negative.
    """
    if groups is None:
        return _multiplicities(size, resamples=resamples, rng=rng)
    if len(groups) != size:
        raise InputError(f"{len(groups)} groups were given for {size} images: one a image is needed")
    labels, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(labels) == 1:
        return _multiplicities(size, resamples=resamples, rng=rng)
    return _multiplicities(len(labels), resamples=resamples, rng=rng)[:, group.reshape(-1)]


def interval(values: np.ndarray, *, level: float = LEVEL) -> list[float] | None:
    """The central interval that holds `level` of the values that are not NaN; None where there are none."""
    values = np.asarray(values)[np.isfinite(values)]
    if not values.size:
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]


def _multiplicities(units: int, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    counts = np.zeros((resamples, units))
    if not units:
        return counts
    for row in counts:
        row[:] = np.bincount(rng.integers(0, units, size=units), minlength=units)
    return counts
