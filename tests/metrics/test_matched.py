"""The class-matched attack: closed forms, a naive oracle, and labels that must not help."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from aru.core.errors import InputError
from aru.metrics.membership import matched
from aru.metrics.membership.benchmark_attack import benchmark_mia
from aru.metrics.membership.matched import MatchedAttack, strata_of


def one_class(size: int) -> np.ndarray:
    return np.zeros(size, dtype=np.int64)


def naive_auc(forget: np.ndarray, forget_class: np.ndarray, unseen: np.ndarray, unseen_class: np.ndarray) -> float:
    """Pair by pair; each class weighs as its forget images do."""
    total, images = 0.0, 0
    for label in np.unique(forget_class):
        pairs = list(product(forget[forget_class == label], unseen[unseen_class == label]))
        if pairs:
            size = (forget_class == label).sum()
            total += size * np.mean([(a < b) + 0.5 * (a == b) for a, b in pairs])
            images += size
    return total / images


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0, -0.5, 3.0])
def test_gaussians_of_known_figures(shift: float) -> None:
    rng = np.random.default_rng(0)
    forget, unseen = rng.normal(0, 1, 40_000), rng.normal(shift, 1, 40_000)
    found = MatchedAttack(forget, one_class(40_000), unseen, one_class(40_000)).figures()
    assert found.auc == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.008)
    assert found.balanced_accuracy == pytest.approx(norm.cdf(shift / 2), abs=0.008)
    assert found.tpr_at_1pct_fpr == pytest.approx(norm.cdf(norm.ppf(0.01) + shift), abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_auc_is_the_naive_one_with_ties_and_lonely_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    forget, unseen = rng.integers(0, 6, 50) / 4, rng.integers(1, 7, 70) / 4
    forget_class, unseen_class = rng.integers(0, 4, 50), rng.integers(1, 6, 70)
    found = MatchedAttack(forget, forget_class, unseen, unseen_class).figures()
    assert found.auc == pytest.approx(naive_auc(forget, forget_class, unseen, unseen_class))


def test_one_class_is_the_common_auc() -> None:
    rng = np.random.default_rng(5)
    forget, unseen = rng.exponential(0.3, 120), rng.exponential(1, 200)
    members = np.repeat([1, 0], [120, 200])
    attack = MatchedAttack(forget, one_class(120), unseen, one_class(200))
    assert attack.figures().auc == pytest.approx(roc_auc_score(members, -np.concatenate((forget, unseen))))
    false, true = attack.roc()
    assert np.trapezoid(true, false) == pytest.approx(attack.figures().auc)


def test_labels_alone_tell_nothing_here_but_fool_the_benchmark() -> None:
    rng = np.random.default_rng(1)
    forget_class = rng.choice(3, size=3000, p=[0.7, 0.2, 0.1])
    unseen_class = rng.choice(3, size=3000, p=[0.1, 0.2, 0.7])
    typical = np.array([0.2, 1.0, 3.0])  # the loss depends on the class and on nothing else
    forget, unseen = (rng.normal(typical[label], 0.2) for label in (forget_class, unseen_class))
    found = MatchedAttack(forget, forget_class, unseen, unseen_class).figures()
    assert benchmark_mia(forget, unseen) > 0.75
    assert found.auc == pytest.approx(0.5, abs=0.03)
    assert found.balanced_accuracy == pytest.approx(0.5, abs=0.03)
    assert found.tpr_at_1pct_fpr == pytest.approx(0.01, abs=0.02)


def test_knowledge_within_classes_is_found_whatever_the_labels() -> None:
    rng = np.random.default_rng(2)
    forget_class, unseen_class = rng.choice(3, 4000, p=[0.7, 0.2, 0.1]), rng.choice(3, 4000, p=[0.2, 0.2, 0.6])
    typical = np.array([0.0, 10.0, -5.0])
    forget, unseen = rng.normal(typical[forget_class]), rng.normal(typical[unseen_class] + 1)
    found = MatchedAttack(forget, forget_class, unseen, unseen_class).figures()
    assert found.auc == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert found.balanced_accuracy == pytest.approx(norm.cdf(0.5), abs=0.02)


def test_equal_losses_are_a_coin() -> None:
    found = MatchedAttack(np.ones(30), one_class(30), np.ones(20), one_class(20)).figures()
    assert (found.auc, found.balanced_accuracy, found.tpr_at_1pct_fpr) == (0.5, 0.5, 0.0)


def test_separated_losses_are_certain() -> None:
    found = MatchedAttack(np.zeros(30), one_class(30), np.ones(20), one_class(20)).figures()
    assert (found.auc, found.balanced_accuracy, found.tpr_at_1pct_fpr) == pytest.approx((1, 1, 1))


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(3)
    forget, unseen = rng.integers(0, 9, 60) / 2, rng.integers(0, 9, 80) / 2
    forget_class, unseen_class = rng.integers(0, 3, 60), rng.integers(0, 3, 80)
    times = rng.integers(0, 3, 60), rng.integers(0, 3, 80)
    weighed = MatchedAttack(forget, forget_class, unseen, unseen_class).figures(*(count.astype(float) for count in times))
    repeated = MatchedAttack(
        *(
            np.repeat(values, count)
            for values, count in ((forget, times[0]), (forget_class, times[0]), (unseen, times[1]), (unseen_class, times[1]))
        )
    ).figures()
    for name in ("auc", "balanced_accuracy", "tpr_at_1pct_fpr"):
        assert getattr(weighed, name) == pytest.approx(getattr(repeated, name))


def test_many_resamples_at_once_have_the_figures_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    losses = rng.integers(0, 9, 30) / 2, rng.integers(0, 9, 50) / 2
    strata = rng.integers(0, 4, 30), rng.integers(1, 5, 50)
    attack = MatchedAttack(losses[0], strata[0], losses[1], strata[1])
    weights = [rng.multinomial(size, np.full(size, 1 / size), 7).astype(float) for size in (30, 50)]
    weights[0][2, strata[0] > 0] = 0
    monkeypatch.setattr(matched, "_AT_ONCE", 100)
    found = attack.resampled(*weights)
    one_by_one = [attack.figures(forget, unseen) for forget, unseen in zip(*weights, strict=True)]
    for name in matched.FIGURES:
        assert np.array_equal(found[name], [getattr(one, name) for one in one_by_one], equal_nan=True)
        assert np.isnan(found[name]).tolist() == [row == 2 for row in range(7)]


def test_no_common_class_is_an_error_and_in_a_resample_no_figure() -> None:
    with pytest.raises(InputError, match="no class has both"):
        MatchedAttack(np.ones(3), np.array([0, 0, 1]), np.ones(2), np.array([2, 3]))
    attack = MatchedAttack(np.ones(2), np.array([0, 1]), np.ones(2), np.array([0, 2]))
    assert np.isnan(attack.figures(np.array([0.0, 2.0]), np.ones(2)).auc)


def test_strata_of_labels_and_of_combinations() -> None:
    assert strata_of(torch.tensor([3, 0, 3])).tolist() == [3, 0, 3]
    assert strata_of(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]])).tolist() == [0, 1, 2, 7]
