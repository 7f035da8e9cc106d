"""Pass, fail or inconclusive: by where the whole interval of a figure lies, with what could have been detected."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

import numpy as np
from scipy.stats import norm

from aru.audit.thresholds import Threshold
from aru.core.errors import InputError
from aru.stats.intervals import LEVEL, interval

Verdict = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: dict[Verdict, int] = {"pass": 0, "inconclusive": 3, "fail": 4}
"""Of the commands. Every other code says that there is no verdict: 1 is how Python ends a program after an error that nobody
caught, 2 is bad input, 130 an interruption, above 128 a signal.
"""
DETECTABLE = 1.96 + 0.84
"""Standard errors beyond a limit at which a 95 % interval leaves it behind in 80 of 100 cases (Gaussian)."""


@dataclass(frozen=True)
class Measurement:
    """A figure with its 95 % interval and standard error, both over people; None where it is one exact number.

    exact: what a figure without an interval is exact about (the weights, one run). variant: of an attack that has several,
    which this is.
    """

    figure: float
    interval: tuple[float, float] | None
    error: float | None = None
    exact: str = ""
    variant: str = ""


@dataclass(frozen=True)
class NotRun:
    """A criterion that was not tested, and why; figure: what was measured all the same, without an interval.

    asked: False where no photos of this kind could answer it, so that no verdict waits for it.
    """

    why: str
    figure: float | None = None
    asked: bool = True


Found = dict[str, Measurement | NotRun]
"""What was found, by criterion."""


class Power(TypedDict):
    """What a test could have detected: see `power`. Pairs are of ends, below and above; None where one is open, or where no
    figure can be."""

    standard_error: float | None
    fails_from: list[float | None]
    passes_within: list[float | None] | None


def measured(values: np.ndarray) -> Measurement:
    """The figure first, then its resamples. Shape: (1 + R,); resamples that are NaN are left out."""
    bounds = interval(values[1:])
    if bounds is None or not np.isfinite(values[0]):
        raise InputError("a figure of the audit has no value in any resample: the sets are too small to be compared")
    return Measurement(float(values[0]), (bounds[0], bounds[1]), float(np.nanstd(values[1:])))


def from_interval(figure: float, bounds: Sequence[float] | None) -> Measurement:
    """A figure whose 95 % interval is known; the standard error is that of a Gaussian interval of the same width.

    Raises InputError where figure or interval has no value: so few people are in the sets that a resample has none.
    """
    if bounds is None or not np.isfinite([figure, *bounds]).all():
        raise InputError("a figure of the audit or its interval has no value: the sets are too small to be compared")
    return Measurement(figure, (bounds[0], bounds[1]), (bounds[1] - bounds[0]) / (2 * norm.ppf((1 + LEVEL) / 2)))


def named(found: Measurement | NotRun, variant: str) -> Measurement | NotRun:
    """The same with the variant of the attack that it is of."""
    return replace(found, variant=variant) if isinstance(found, Measurement) else found


def worst_of(found: Iterable[Measurement | NotRun]) -> Measurement | NotRun:
    """The highest of several figures, as a criterion that each of them has to meet; not run where one of them is not.

    It passes where all do and fails where one does: the interval runs from the highest lower to the highest upper end.
    The lower end is not corrected for the choice; figures of one set of images move together, and what false alarms that
    leaves is measured on retrained models.
    """
    found = list(found)
    untested = next((one for one in found if isinstance(one, NotRun)), None)
    if untested is not None:
        known = [one.figure for one in found if one.figure is not None]
        return replace(untested, figure=max(known, default=None))
    tested = [one for one in found if isinstance(one, Measurement)]
    top = max(tested, key=lambda one: one.figure)
    bounds = [one.interval or (one.figure, one.figure) for one in tested]
    return Measurement(top.figure, (max(low for low, _ in bounds), max(high for _, high in bounds)), top.error)


def judge(found: Measurement, criterion: Threshold) -> Verdict:
    """pass: the whole interval is good; fail: all of it is bad; else inconclusive. A limit itself is good."""
    low, high = criterion.bounds
    lower, upper = found.interval or (found.figure, found.figure)
    if lower >= low and upper <= high:
        return "pass"
    return "fail" if upper < low or lower > high else "inconclusive"


def overall(verdicts: Mapping[str, Verdict], criteria: Mapping[str, Threshold]) -> Verdict:
    """fail if a required criterion fails, else inconclusive if one is, else pass; none at all is inconclusive."""
    required = [verdict for name, verdict in verdicts.items() if criteria[name].required]
    if "fail" in required:
        return "fail"
    return "pass" if required and "inconclusive" not in required else "inconclusive"


def power(found: Measurement, criterion: Threshold, possible: tuple[float, float] = (-math.inf, math.inf)) -> Power:
    """What this test could have detected at this size: figures that fail, and that pass, in 80 of 100 cases.

    possible: what the figure can be. `fails_from`: beyond these, below and above, None where no possible figure is;
    `passes_within`: None where the interval is too wide for any possible figure to pass so often.
    """
    low, high = criterion.bounds
    reach = DETECTABLE * (found.error or 0.0)
    fails, passes = (low - reach, high + reach), (low + reach, high - reach)
    least, most = possible
    return {
        "standard_error": found.error,
        "fails_from": [fails[0] if fails[0] > least else None, fails[1] if fails[1] < most else None],
        "passes_within": (
            [passes[0] if passes[0] > least else None, passes[1] if passes[1] < most else None]
            if passes[0] <= passes[1] and passes[0] <= most and passes[1] >= least
            else None
        ),
    }
