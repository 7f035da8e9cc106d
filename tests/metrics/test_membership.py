"""The benchmark's attack to the letter; its fast twin; the figures made of it; its reference figures."""

import numpy as np
import pytest
from sklearn import linear_model, model_selection

from aru.core.errors import InputError
from aru.metrics.membership.benchmark_attack import attack_indices, benchmark_mia, forgetting_score, nomus
from aru.metrics.membership.logistic import AttackSplits, fit_logistic
from aru.metrics.reference import label_only_accuracy, null_forgetting_scores

CASES = {
    "nothing to find": (lambda rng, n: rng.exponential(size=n), lambda rng, n: rng.exponential(size=n)),
    "memorised": (lambda rng, n: rng.exponential(0.05, size=n), lambda rng, n: rng.exponential(1.5, size=n)),
    "shifted a little": (lambda rng, n: rng.normal(1, 0.5, size=n), lambda rng, n: rng.normal(1.4, 0.5, size=n)),
    "over-forgotten": (lambda rng, n: rng.exponential(2, size=n), lambda rng, n: rng.exponential(1, size=n)),
    "apart": (lambda rng, n: rng.uniform(0, 1e-3, size=n), lambda rng, n: rng.uniform(3, 4, size=n)),
}
SIZES = [(300, 200), (150, 150), (400, 403)]


def losses(case: str, forget: int, unseen: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    draw_forget, draw_unseen = CASES[case]
    return draw_forget(rng, forget).astype(np.float32), draw_unseen(rng, unseen).astype(np.float32)


def direct_attack(forget: np.ndarray, unseen: np.ndarray) -> float:
    """The steps that the benchmark's notebooks describe, in their order, with NumPy's global generator."""
    state, forget = np.random.get_state(), forget.copy()
    np.random.seed(42)
    np.random.shuffle(forget)
    np.random.set_state(state)
    forget = forget[: len(unseen)]
    features, members = np.concatenate((unseen, forget)).reshape(-1, 1), [0] * len(unseen) + [1] * len(forget)
    splits = model_selection.StratifiedShuffleSplit(n_splits=10, random_state=0)
    return model_selection.cross_val_score(
        linear_model.LogisticRegression(), features, members, cv=splits, scoring="accuracy"
    ).mean()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("forget, unseen", SIZES)
def test_equals_a_direct_call(case: str, forget: int, unseen: int) -> None:
    sides = losses(case, forget, unseen)
    assert benchmark_mia(*sides) == direct_attack(*sides)


def test_inputs_stay_as_they_are() -> None:
    forget, unseen = losses("memorised", 60, 50)
    before = forget.copy(), unseen.copy()
    benchmark_mia(forget, unseen)
    assert np.array_equal(forget, before[0]) and np.array_equal(unseen, before[1])


def test_the_benchmarks_own_sizes_are_not_cut() -> None:
    forget, unseen = attack_indices(1500, 1504)
    assert len(forget) == 1500 and np.array_equal(unseen, np.arange(1504))


def test_more_forget_images_are_cut_to_the_unseen() -> None:
    forget, unseen = attack_indices(500, 120)
    assert len(forget) == len(set(forget.tolist())) == 120 and forget.max() > 120
    assert np.array_equal(unseen, np.arange(120))


def test_many_more_unseen_images_do_not_pass_for_knowledge() -> None:
    forget, unseen = losses("nothing to find", 60, 900)
    assert direct_attack(forget, unseen) == pytest.approx(900 / 960, abs=0.01)  # "unseen", always
    assert benchmark_mia(forget, unseen) == pytest.approx(0.5, abs=0.15)
    assert len(attack_indices(60, 900)[1]) == 60
    assert benchmark_mia(forget, unseen, cut="forget") == direct_attack(forget, unseen)  # the notebooks' own


@pytest.mark.parametrize("case, expected", [("nothing to find", 0.5), ("memorised", 0.93), ("apart", 1.0)])
def test_finds_what_is_there(case: str, expected: float) -> None:
    assert benchmark_mia(*losses(case, 1000, 1000)) == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("forget, unseen", SIZES)
def test_the_fast_attack_is_the_benchmarks(case: str, forget: int, unseen: int) -> None:
    sides = losses(case, forget, unseen)
    assert AttackSplits(forget, unseen).accuracy(*sides) == pytest.approx(benchmark_mia(*sides), abs=0.004)


def test_newton_reaches_scikit_learns_optimum() -> None:
    rng = np.random.default_rng(1)
    feature = np.stack([rng.exponential(size=400), rng.exponential(size=400) * 1e-2, rng.normal(5, 2, size=400)])
    member = (rng.random((3, 400)) < 1 / (1 + np.exp(feature - 1))).astype(float)
    slope, intercept = fit_logistic(feature, member)
    for row in range(3):
        exact = linear_model.LogisticRegression(tol=1e-10, max_iter=10_000).fit(feature[row][:, None], member[row])
        assert slope[row] == pytest.approx(exact.coef_[0, 0], abs=1e-4)
        assert intercept[row] == pytest.approx(exact.intercept_[0], abs=1e-4)


@pytest.mark.parametrize(
    "forget, unseen, words",
    [
        (np.ones(9), np.ones(50), "10 images or more"),
        (np.ones(50), np.ones(3), "10 images or more"),
        (np.ones((20, 1)), np.ones(50), "shape"),
        (np.ones(50), np.append(np.ones(49), np.nan), "1 unseen losses are not finite"),
    ],
)
def test_bad_losses_are_named(forget: np.ndarray, unseen: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        benchmark_mia(forget, unseen)


@pytest.mark.parametrize(
    "accuracy, mia, expected",
    [  # rows of the benchmark's published table
        (0.5951, 0.7136, 0.5839),
        (0.4880, 0.5445, 0.6995),
        (0.5633, 0.5953, 0.6863),
        (0.1762, 0.3711, 0.4592),
    ],
)
def test_nomus_gives_the_published_figures(accuracy: float, mia: float, expected: float) -> None:
    assert nomus(accuracy, mia) == pytest.approx(expected, abs=1.1e-4)
    assert forgetting_score(mia) == pytest.approx(abs(mia - 0.5))


@pytest.mark.parametrize(
    "forget, unseen, expected",
    [([0, 1, 0, 1], [1, 0, 1, 0], 0.5), ([0, 0], [1, 1, 1], 1.0), ([0, 0, 0, 1], [0, 1, 1, 1], 0.75)],
)
def test_label_only_attack(forget: list[int], unseen: list[int], expected: float) -> None:
    assert label_only_accuracy(np.array(forget), np.array(unseen)) == pytest.approx(expected)


def test_noise_floor_has_the_size_that_counts_allow() -> None:
    scores = null_forgetting_scores(400, 400, simulations=60, seed=0)
    assert np.array_equal(scores, null_forgetting_scores(400, 400, simulations=60, seed=0))
    assert 0.005 < scores.mean() < 0.04 and scores.max() < 0.12
    assert null_forgetting_scores(2000, 2000, simulations=20, seed=0).mean() < scores.mean()
