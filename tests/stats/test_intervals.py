"""The bootstrap: what is drawn, how wide it gets, how often it covers."""

import numpy as np
import pytest

from aru.core.errors import InputError
from aru.stats.intervals import draw_counts, interval


def means(values: np.ndarray, groups: np.ndarray | None, *, seed: int, resamples: int = 400) -> np.ndarray:
    counts = draw_counts(len(values), groups, resamples=resamples, rng=np.random.default_rng(seed))
    return counts @ values / counts.sum(axis=1)


def test_every_resample_draws_as_many_as_there_are() -> None:
    counts = draw_counts(37, None, resamples=50, rng=np.random.default_rng(0))
    assert counts.shape == (50, 37) and (counts.sum(axis=1) == 37).all() and counts.min() == 0
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.5)


def test_people_are_drawn_whole() -> None:
    groups = np.array(["S2", "S1", "S2", "S3", "S1", "S2"])
    counts = draw_counts(6, groups, resamples=80, rng=np.random.default_rng(0))
    for name in "S1", "S2", "S3":
        theirs = counts[:, groups == name]
        assert (theirs == theirs[:, :1]).all()
    assert (counts[:, [1, 0, 3]].sum(axis=1) == 3).all()  # one column a person


def test_one_person_is_a_population_of_photos() -> None:
    one, none = (draw_counts(9, groups, resamples=5, rng=np.random.default_rng(0)) for groups in (np.zeros(9), None))
    assert np.array_equal(one, none) and one.std() > 0


def test_same_seed_same_draws() -> None:
    draws = [draw_counts(20, None, resamples=5, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])


def test_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        low, high = interval(means((rng.random(150) < 0.7).astype(float), None, seed=seed))
        hits += low <= 0.7 <= high
    assert 0.90 <= hits / 200 <= 0.985


def test_people_who_repeat_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=60), 9)
    people = np.repeat(np.arange(60), 9)
    wide, narrow = (np.diff(interval(means(values, groups, seed=0)))[0] for groups in (people, None))
    assert wide / narrow == pytest.approx(3, rel=0.25)  # the square root of nine photos a person


def test_interval_is_central_and_leaves_nan_out() -> None:
    assert interval(np.append(np.arange(101.0), np.nan)) == pytest.approx([2.5, 97.5])
    assert interval(np.array([np.nan, np.nan])) is None


def test_groups_must_fit() -> None:
    with pytest.raises(InputError, match="3 groups were given for 4 images"):
        draw_counts(4, np.arange(3), resamples=2, rng=np.random.default_rng(0))
