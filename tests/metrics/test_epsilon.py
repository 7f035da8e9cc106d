"""Epsilon: coins and Laplace noise of known epsilon, naive loops, and how often the lower bounds are above the truth."""

import json
import math
from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from aru.core.errors import InputError
from aru.metrics.membership.epsilon import CAP, epsilon_estimates, epsilon_of, forgetting_quality, largest_estimate
from aru.metrics.membership.epsilon_bound import (
    _tests,
    _upper,
    largest_bound,
    lower_bounds,
)
from aru.metrics.membership.epsilon_figures import epsilon_figures

REPEATS = 3000
EXCEEDED = 0.05 + 3 * math.sqrt(0.05 * 0.95 / REPEATS)  # 5 %, and three standard errors of the simulation


def coins(rng: np.random.Generator, epsilon: float, models: tuple[int, int], repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Randomised response: 1 with chance e^eps / (1 + e^eps) on one side, 1 / (1 + e^eps) on the other."""
    chance = 1 / (1 + math.exp(-epsilon))
    unlearned, retrained = rng.random((models[0], repeats)) < chance, rng.random((models[1], repeats)) >= chance
    return unlearned.astype(float), retrained.astype(float)


def laplace(rng: np.random.Generator, epsilon: float, models: tuple[int, int], repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Laplace noise of scale 1 around values that lie epsilon apart: exactly epsilon-close."""
    return rng.laplace(epsilon, 1, (models[0], repeats)), rng.laplace(0, 1, (models[1], repeats))


def gaussian_epsilon(shift: float, delta: float) -> float:
    """Balle and Wang 2018 (ICML), theorem 8."""
    return brentq(
        lambda epsilon: (
            norm.cdf(shift / 2 - epsilon / shift) - math.exp(epsilon) * norm.cdf(-shift / 2 - epsilon / shift) - delta
        ),
        0,
        60,
    )


@pytest.mark.parametrize(
    "false_positive, false_negative, expected",
    [(0.1, 0.1, math.log(9)), (0.5, 0.5, 0), (0.01, 0.5, math.log(50)), (0.5, 0.01, math.log(50)), (0.9, 0.9, 0)],
)
def test_epsilon_of_error_rates(false_positive: float, false_negative: float, expected: float) -> None:
    assert epsilon_of(np.array(false_positive), np.array(false_negative), 0.0) == pytest.approx(expected)


def naive_epsilon(unlearned: np.ndarray, retrained: np.ndarray, delta: float = 1e-5) -> float:
    narrow, wide = sorted((unlearned, retrained), key=np.ptp)
    low, high = sorted((unlearned, retrained), key=np.median)
    cuts = sorted({*unlearned, *retrained})
    rates = [((low >= cut).mean(), (high < cut).mean()) for cut in cuts]
    for first, last in combinations_with_replacement(cuts, 2):
        rates.append((((wide >= first) & (wide <= last)).mean(), ((narrow < first) | (narrow > last)).mean()))
    best = 0.0
    for false_positive, false_negative in rates:
        if false_positive == 0 and false_negative == 0:
            return CAP
        if false_positive > 0 and false_negative > 0:
            for one, other in ((false_positive, false_negative), (false_negative, false_positive)):
                if 1 - delta - one > 0:
                    best = max(best, math.log(1 - delta - one) - math.log(other))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_the_estimate_is_the_naive_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    unlearned, retrained = rng.normal(rng.normal(size=12), 1.5, (9, 12)), rng.normal(0, 1, (13, 12))
    for one, other in ((unlearned, retrained), (unlearned.round(1), retrained.round(1))):
        expected = [naive_epsilon(one[:, image], other[:, image]) for image in range(12)]
        assert epsilon_estimates(one, other) == pytest.approx(expected)
    assert epsilon_estimates(retrained, unlearned) == pytest.approx(epsilon_estimates(unlearned, retrained))


def scorer_epsilon(unlearned: np.ndarray, retrained: np.ndarray, delta: float = 1e-5) -> float:
    """By the competition's grid: 100 thresholds a unit, and for a double one every left end within 2 of the narrower width."""
    narrow, wide = sorted((unlearned, retrained), key=np.ptp)
    low, high = sorted((unlearned, retrained), key=np.median)
    both = np.concatenate((unlearned, retrained))
    rates = [
        ((low >= cut).mean(), (high < cut).mean())
        for cut in np.linspace(both.min(), both.max(), math.ceil(100 * np.ptp(both)))
    ]
    least, most = narrow.max() - 2, narrow.max() + 2
    for right in np.linspace(least, most, math.ceil(100 * (most - least))):
        lefts = np.linspace(right - np.ptp(narrow) - 2, right - np.ptp(narrow) + 2, 400)[:, None]
        within = [((lefts <= side) & (side <= right)).mean(axis=1) for side in (wide, narrow)]
        rates += list(zip(within[0], 1 - within[1], strict=True))
    fpr, fnr = np.array(rates).T
    if ((fpr == 0) & (fnr == 0)).any():
        return CAP
    kept = (fpr > 0) & (fnr > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = np.log(1 - delta - fpr[kept]) - np.log(fnr[kept]), np.log(1 - delta - fnr[kept]) - np.log(fpr[kept])
        return float(np.clip(np.nanmax(sides), 0, CAP))


def test_the_competition_s_cuts_are_the_scorer_s_and_find_less() -> None:
    rng = np.random.default_rng(3)
    unlearned, retrained = rng.normal(0.5, 1.5, (9, 4)), rng.normal(0, 1, (13, 4))
    found = epsilon_estimates(unlearned, retrained, cuts="competition")
    assert found == pytest.approx([scorer_epsilon(unlearned[:, image], retrained[:, image]) for image in range(4)])
    null = rng.normal(size=(64, 20)), rng.normal(size=(64, 20))
    every, grid = epsilon_estimates(*null), epsilon_estimates(*null, cuts="competition")
    assert (grid <= every + 1e-9).all() and forgetting_quality(grid, 64) > 1.5 * forgetting_quality(every, 64)
    with pytest.raises(InputError, match="every or competition"):
        epsilon_estimates(*null, cuts="grid")


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
def test_the_estimate_of_many_coins(epsilon: float) -> None:
    found = epsilon_estimates(*coins(np.random.default_rng(0), epsilon, (20_000, 20_000), 3))
    assert found == pytest.approx(np.full(3, epsilon), abs=0.08)


def test_the_estimates_limits() -> None:
    apart, narrow = np.arange(8.0)[:, None], 3 + np.arange(8.0)[:, None] * 1e-4
    assert epsilon_estimates(apart, apart + 100)[0] == CAP
    assert epsilon_estimates(apart, narrow)[0] == CAP  # below 1 % of the other's width
    assert epsilon_estimates(np.ones((8, 1)), np.ones((8, 1)))[0] == 0
    assert largest_estimate(64) == pytest.approx(math.log(63))
    one_each = np.array([*range(64)], dtype=float)[:, None], np.array([62.5, *range(64, 127)], dtype=float)[:, None]
    assert epsilon_estimates(*one_each)[0] == pytest.approx(math.log(63), abs=1e-3)


def test_forgetting_quality_in_buckets() -> None:
    assert forgetting_quality(np.array([0, 0.49, 0.5, 1.2, 6.99, 7.0, 50]), 512) == pytest.approx(
        (1 + 1 + 0.5 + 0.25 + 2.0**-13 + 0 + 0) / 7
    )


def test_the_estimate_finds_something_where_there_is_nothing_and_the_bound_does_not() -> None:
    rng = np.random.default_rng(0)
    unlearned, retrained = rng.normal(size=(32, 400)), rng.normal(size=(32, 400))
    assert epsilon_estimates(unlearned, retrained).mean() > 1
    assert (lower_bounds(unlearned, retrained, seed=0) > 0).mean() <= 0.05


@pytest.mark.parametrize("models", [(8, 8), (32, 32), (64, 20), (200, 200)])
@pytest.mark.parametrize("law", [coins, laplace])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 2.5])
def test_the_bound_is_above_the_truth_in_at_most_5_percent(law, epsilon: float, models: tuple[int, int]) -> None:
    rng = np.random.default_rng([models[0], int(10 * epsilon)])
    unlearned, retrained = law(rng, epsilon, models, REPEATS)
    assert (lower_bounds(unlearned, retrained, seed=0, delta=0.0) > epsilon).mean() <= EXCEEDED
    assert (lower_bounds(retrained, unlearned, seed=0, delta=0.0) > epsilon).mean() <= EXCEEDED


@pytest.mark.parametrize("shift", [0.5, 1.5])
def test_the_bound_with_delta_on_gaussians(shift: float) -> None:
    rng, delta = np.random.default_rng(0), 0.1
    bounds = lower_bounds(rng.normal(shift, 1, (300, REPEATS)), rng.normal(0, 1, (300, REPEATS)), seed=0, delta=delta)
    truth = gaussian_epsilon(shift, delta)
    assert (bounds > truth).mean() <= EXCEEDED
    assert shift < 1 or np.median(bounds) > truth / 4  # valid because it is careful, not because it is nothing


def test_the_upper_bound_of_the_share_beyond_has_its_level() -> None:
    """Exact for any law, so uniform: with the level of the test, neither more nor much less often, it is exceeded."""
    rng, tail = np.random.default_rng(0), 0.1
    scores = np.sort(rng.random((20, 40_000)), axis=0)
    for giver, low, high, errors in _tests(20, 30):
        if giver == 0:
            beyond = (0 if low is None else scores[low]) + (0 if high is None else 1 - scores[high])
            assert (beyond > _upper(np.array(errors), 20, tail)).mean() == pytest.approx(tail, abs=0.006)


def test_more_models_prove_more() -> None:
    rng = np.random.default_rng(1)
    medians = [
        np.median(lower_bounds(*laplace(rng, 2.0, (models, models), 200), seed=0, delta=0.0)) for models in (16, 64, 512, 4096)
    ]
    assert medians == sorted(medians) and medians[0] < 0.2 and 1.5 < medians[-1] < 2


def test_a_peaked_law_is_found_by_two_thresholds() -> None:
    rng = np.random.default_rng(2)
    assert lower_bounds(rng.normal(0, 0.05, (64, 5)), rng.normal(0, 1, (64, 5)), seed=0).min() > 0.8


def test_the_largest_bound_is_that_of_perfect_separation() -> None:
    assert largest_bound(64, 64, delta=0.0) == pytest.approx(math.log(1 / (1 - (0.05 / 24) ** (1 / 64)) - 1))
    rng = np.random.default_rng(3)
    apart = lower_bounds(rng.normal(100, 1, (40, 50)), rng.normal(0, 1, (24, 50)), seed=0)
    assert apart == pytest.approx(np.full(50, largest_bound(40, 24)))
    assert largest_bound(4, 4) == 0 < largest_bound(16, 16) < largest_bound(64, 64) < largest_estimate(64)


def ensembles(*, shift: dict[int, float], models: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eight people with three images each; the unlearned models' phi of some people is shifted."""
    rng, person = np.random.default_rng(seed), np.arange(24) // 3
    unlearned, retrained = rng.normal(size=(models, 24)), rng.normal(size=(models, 24))
    unlearned += np.array([shift.get(one, 0.0) for one in person])
    return unlearned, retrained, np.array([f"S{one}" for one in person])


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_the_person_who_is_remembered_or_over_forgotten_is_named(shift: float) -> None:
    result = epsilon_figures(*ensembles(shift={5: shift}), seed=0)
    assert [one["subject"] for one in result["person"]["worst"]] == ["S5"]
    assert 0.8 < result["person"]["worst"][0]["bound"] <= result["person"]["largest_measurable"]
    assert result["person"]["largest_measurable"] < result["image"]["largest_measurable"]
    assert result["person"]["bound_above_zero"] == pytest.approx(1 / 8)
    assert json.loads(json.dumps(result)) == result == epsilon_figures(*ensembles(shift={5: shift}), seed=0)


def test_what_no_person_shows_the_whole_request_may() -> None:
    result = epsilon_figures(*ensembles(shift=dict.fromkeys(range(8), 0.7)), seed=0)
    assert result["request"]["bound"] > 1 > 0.5 > max([one["bound"] for one in result["person"]["worst"]], default=0)


def test_nobody_is_named_under_the_null_more_often_than_stated() -> None:
    named = [
        bool(epsilon_figures(*ensembles(shift={}, models=24, seed=seed), seed=seed)["person"]["worst"]) for seed in range(60)
    ]
    assert np.mean(named) <= 0.1


@pytest.mark.parametrize(
    "unlearned, retrained, words",
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "1 unlearned and 5 retrained"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "do not fit"),
        (np.zeros((5, 3)), np.full((5, 3), np.inf), "15 scores are not finite"),
        (np.zeros((5, 4)), np.zeros((5, 4)), "one subject an image"),
    ],
)
def test_bad_ensembles_are_named(unlearned: np.ndarray, retrained: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        epsilon_figures(unlearned, retrained, np.array(["a", "a", "b"]), seed=0)


def test_bad_levels_are_named() -> None:
    with pytest.raises(InputError, match="confidence is 95"):
        lower_bounds(np.zeros((4, 1)), np.zeros((4, 1)), seed=0, confidence=95)
    with pytest.raises(InputError, match="delta is -1"):
        lower_bounds(np.zeros((4, 1)), np.zeros((4, 1)), seed=0, delta=-1)
