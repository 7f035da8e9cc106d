"""AUC and operating points: scikit-learn, closed forms, exact intervals, and rates that a set can not show."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score, roc_curve

from aru.core.errors import InputError
from aru.stats.intervals import draw_counts, interval
from aru.stats.roc import auc, auc_interval, clopper_pearson, tpr_at_fpr


def scores(shift: float, members: int, others: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, members), rng.normal(0, 1, others)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5, -1.0])
def test_gaussians_of_known_figures(shift: float) -> None:
    sides = scores(shift, 60_000, 60_000)
    assert auc(*sides) == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.006)
    for rate in (0.001, 0.01):
        assert tpr_at_fpr(*sides, rate).tpr == pytest.approx(norm.cdf(norm.ppf(rate) + shift), rel=0.2, abs=5e-4)


@pytest.mark.parametrize("seed", range(6))
def test_scikit_learn_agrees_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members, others = rng.integers(0, 12, 40) / 4, rng.integers(0, 10, 70) / 4
    truth, both = np.repeat([1, 0], [40, 70]), np.concatenate((members, others))
    assert auc(members, others) == pytest.approx(roc_auc_score(truth, both), abs=1e-12)
    false, true, _ = roc_curve(truth, both, drop_intermediate=False)
    for rate in (0.02, 0.05, 0.2, 0.9):
        point = tpr_at_fpr(members, others, rate)
        allowed = false <= rate + 1e-12
        assert point.tpr == pytest.approx(true[allowed].max()) and point.fpr == pytest.approx(false[allowed].max())


def test_a_rate_of_exactly_n_accused_is_kept() -> None:
    others = np.arange(1000.0)
    point = tpr_at_fpr(np.array([998.5, 999.5, 997.5]), others, 0.001)
    assert (point.fpr, point.tpr) == (0.001, pytest.approx(2 / 3))
    assert tpr_at_fpr(np.array([970.5, 980.5]), np.arange(100.0) * 10, 0.29).fpr == 0.29  # 0.29 * 100 is 28.999...


def test_rates_below_one_in_n_are_not_measured() -> None:
    members, others = scores(8, 200, 999)
    point = tpr_at_fpr(members, others, 0.001)
    assert not point.measured and point.smallest == pytest.approx(1 / 999)
    assert point.tpr is point.fpr is point.tpr_interval is point.fpr_interval is None
    assert tpr_at_fpr(members, np.append(others, 0.0), 0.001).measured
    assert tpr_at_fpr(members, others, 0.01).tpr == 1


def test_ties_with_too_many_others_accuse_nobody() -> None:
    point = tpr_at_fpr(np.ones(20), np.ones(300), 0.01)
    assert (point.measured, point.fpr, point.tpr) == (True, 0, 0)
    assert auc(np.ones(20), np.ones(300)) == 0.5


@pytest.mark.parametrize("successes, trials", [(0, 10), (10, 10), (3, 10), (1, 1000), (250, 1504), (1, 1)])
def test_clopper_pearson_is_scipys(successes: int, trials: int) -> None:
    exact = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert clopper_pearson(successes, trials) == pytest.approx([exact.low, exact.high], abs=1e-9)


def test_operating_points_carry_their_intervals() -> None:
    members, others = scores(1, 150, 400)
    point = tpr_at_fpr(members, others, 0.01)
    assert point.fpr == 4 / 400 and point.fpr_interval == clopper_pearson(4, 400)
    assert point.tpr_interval == clopper_pearson(round(point.tpr * 150), 150)


def test_the_auc_interval_covers_and_draws_people() -> None:
    hits = 0
    for seed in range(120):
        low, high = auc_interval(*scores(1, 60, 80, seed), people=None, resamples=200, seed=seed)
        hits += low <= norm.cdf(1 / np.sqrt(2)) <= high
    assert 0.88 <= hits / 120 <= 0.99
    members, others = (np.repeat(side, 9) for side in scores(1, 60, 80))
    people = np.repeat(np.arange(60), 9), np.repeat(np.arange(100, 180), 9)
    wide, narrow = (
        np.diff(auc_interval(members, others, people=groups, resamples=300, seed=0))[0] for groups in (people, None)
    )
    assert wide / narrow == pytest.approx(3, rel=0.25)  # the square root of nine photos a person


def test_the_interval_is_a_loop_over_resamples() -> None:
    members, others = scores(0.5, 12, 17)
    counts = [
        draw_counts(len(side), None, resamples=40, rng=np.random.default_rng([3, number]))
        for number, side in enumerate((members, others))
    ]
    drawn = [auc(np.repeat(members, f.astype(int)), np.repeat(others, u.astype(int))) for f, u in zip(*counts, strict=True)]
    assert auc_interval(members, others, people=None, resamples=40, seed=3) == pytest.approx(interval(np.array(drawn)))


@pytest.mark.parametrize(
    "members, others, words",
    [
        (np.ones(0), np.ones(3), "members' scores have the shape"),
        (np.ones(3), np.ones((3, 1)), "non-members' scores have the shape"),
        (np.array([1, np.nan]), np.ones(3), "1 of 2 members' scores are not finite"),
    ],
)
def test_bad_scores_are_named(members: np.ndarray, others: np.ndarray, words: str) -> None:
    for call in (auc, lambda *sides: tpr_at_fpr(*sides, 0.5)):
        with pytest.raises(InputError, match=words):
            call(members, others)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: tpr_at_fpr(np.ones(3), np.ones(3), 1.0), "between 0 and 1"),
        (lambda: clopper_pearson(3, 2), "3 successes in 2 trials"),
        (lambda: clopper_pearson(0, 0), "0 trials"),
    ],
)
def test_impossible_requests_are_named(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
