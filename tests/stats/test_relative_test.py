"""The relative test of three samples: its stated rate where a two-sample test rejects exact retraining, and its power."""

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata

from aru.core.errors import InputError
from aru.stats.relative_test import Ranks, relative_test
from aru.stats.roc import clopper_pearson

PEOPLE, STRANGERS, PHOTOS, TRIALS, LEVEL = 20, 24, 5, 200, 0.05
PERSON = np.repeat(np.arange(PEOPLE + STRANGERS), PHOTOS)
FORGOTTEN = PERSON < PEOPLE


def losses(rng: np.random.Generator, hard: np.ndarray, memory: float) -> np.ndarray:
    """Of a training: photos are hard for all models, each model has its own taste in people and photos, and its own level."""
    own = rng.normal(0, 0.5, PEOPLE + STRANGERS)[PERSON] + rng.normal(0, 0.5, len(PERSON))
    return hard + own + rng.normal(0, 0.5) - memory * FORGOTTEN


def ranks(values: np.ndarray) -> np.ndarray:
    return rankdata(values) / (len(values) + 1)


def two_sample(one: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> float:
    """The p-value of the forgotten people's losses being alike under two models, which trade places person by person."""
    apart = np.bincount(PERSON, one - other)[:PEOPLE]
    drawn = rng.choice([-1, 1], (199, PEOPLE)) @ apart
    return float((1 + (np.abs(drawn) >= abs(apart.sum())).sum()) / 200)


def trial(number: int, memory: float, references: int) -> tuple[float, float, float]:
    """Exact retraining beside retrained models and an original: p of nearer to the original, to them, and of two samples."""
    rng = np.random.default_rng([number, references])
    hard = rng.normal(0, 1, PEOPLE + STRANGERS)[PERSON] + rng.normal(0, 1, len(PERSON))
    audited, original, *others = (losses(rng, hard, one) for one in (0.0, memory, *[0.0] * references))
    figure = Ranks(ranks(audited), ranks(original), np.stack([ranks(one) for one in others]))
    found = relative_test({"loss": figure}, PERSON, FORGOTTEN, seed=number, resamples=1, permutations=199).overall
    return found.p_original, found.p_retrained, two_sample(audited, others[0], rng)


@pytest.mark.parametrize("references", [1, 3])
def test_exact_retraining_passes_at_the_stated_rate_where_a_two_sample_test_rejects_it(references: int) -> None:
    found = np.array([trial(number, 0.0, references) for number in range(TRIALS)]) <= LEVEL
    wrong, _, rejected = found.sum(axis=0)
    low, high = clopper_pearson(int(wrong), TRIALS)
    assert low <= LEVEL, f"called nearer to the original: {wrong} of {TRIALS} [{low:.3f}, {high:.3f}], at most {LEVEL} stated"
    assert high <= 2 * LEVEL, f"{wrong} of {TRIALS}"
    assert clopper_pearson(int(rejected), TRIALS)[0] > 0.5, "the two-sample test rejects most exactly retrained models"


def test_who_has_photos_on_both_sides_trades_all_of_them_at_once() -> None:
    # people are the classes: ranks are within the person, so those of the forget photos settle those of the unseen ones
    person = np.repeat(np.arange(PEOPLE), 12)
    forgotten = np.tile(np.arange(12) < 8, PEOPLE)
    wrong = 0
    for number in range(TRIALS):
        rng = np.random.default_rng([number, 7])
        models = rng.normal(size=(3, PEOPLE, 12)).argsort(axis=2).argsort(axis=2).reshape(3, -1) / 12 + 1 / 24
        figure = Ranks(models[0], models[1], models[2:])
        found = relative_test({"loss": figure}, person, forgotten, seed=number, resamples=1, permutations=199)
        wrong += found.overall.p_original <= LEVEL
    assert clopper_pearson(wrong, TRIALS)[0] <= LEVEL, f"{wrong} of {TRIALS}"


def test_a_person_on_both_sides_is_drawn_once_and_is_one_unit_of_permutation() -> None:
    rng = np.random.default_rng(0)
    person, forgotten = np.repeat(np.arange(6), 4), np.tile([True, True, False, False], 6)
    figure = Ranks(rng.random(24), rng.random(24), rng.random((1, 24)))
    found = relative_test({"loss": figure}, person, forgotten, seed=0, resamples=50)
    assert (found.permutations, found.complete) == (2**6, True) and found.overall.interval is not None


def test_families_on_whom_trainings_differ_alike_keep_the_rate_where_they_trade_places_at_once() -> None:
    family = np.arange(PEOPLE + STRANGERS)[PERSON] // 4
    wrong = np.zeros(2, dtype=int)
    for number in range(TRIALS):
        rng = np.random.default_rng([number, 11])
        models = [losses(rng, 0.0, 0.0) + rng.normal(0, 1.0, PEOPLE + STRANGERS)[family] for _ in range(3)]
        figure = Ranks(ranks(models[0]), ranks(models[1]), ranks(models[2])[None])
        for place, unit in enumerate((PERSON, family)):
            found = relative_test({"loss": figure}, unit, FORGOTTEN, seed=number, resamples=1, permutations=199)
            wrong[place] += found.overall.p_original <= LEVEL
    assert clopper_pearson(int(wrong[0]), TRIALS)[0] > LEVEL, "person by person it is not exact"
    assert clopper_pearson(int(wrong[1]), TRIALS)[0] <= LEVEL, f"{wrong[1]} of {TRIALS}"


def test_a_figure_by_which_the_original_hardly_differs_does_not_overrule_the_others() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 1, PEOPLE + STRANGERS)[PERSON]

    def figures(memory: float, evenness: float) -> dict[str, np.ndarray]:
        return {
            name: ranks(hard + rng.normal(0, 0.05, len(PERSON)) - shift * FORGOTTEN)
            for name, shift in (("loss", memory), ("evenness", evenness))
        }

    audited, original, retrained = figures(1.5, 0.0), figures(2.0, 0.3), figures(0.0, 0.0)
    together = {name: Ranks(audited[name], original[name], retrained[name][None]) for name in audited}
    found = relative_test(together, PERSON, FORGOTTEN, seed=0, permutations=999)
    assert found.figures["loss"].p_original <= 0.01 and found.figures["evenness"].p_retrained <= 0.01
    assert found.overall.position is not None and found.overall.position > 0.5
    assert found.overall.p_original <= 0.01 and found.overall.p_retrained > 0.5


def test_where_the_original_remembers_exact_retraining_is_shown_to_be_nearer() -> None:
    found = np.array([trial(number, 1.0, 1) for number in range(50)]) <= LEVEL
    assert found[:, 0].sum() == 0 and found[:, 1].sum() >= 45


def test_all_permutations_of_few_people_give_the_p_value_by_hand() -> None:
    person, forgotten = np.repeat(np.arange(6), 2), np.repeat([True, False], 6)
    rng = np.random.default_rng(3)
    audited, original, retrained = (rng.uniform(size=12) for _ in range(3))

    def curve(values: np.ndarray) -> np.ndarray:
        below = values[:, None] < np.arange(1, 33) / 32
        return below[forgotten].mean(axis=0) - below[~forgotten].mean(axis=0)

    def nearer(swapped: tuple[bool, ...]) -> float:
        trade = np.array(swapped)[person]
        one, other = np.where(trade, retrained, original), np.where(trade, original, retrained)
        return ((curve(audited) - curve(other)) ** 2).sum() - ((curve(audited) - curve(one)) ** 2).sum()

    values = np.array([nearer(swapped) for swapped in itertools.product([False, True], repeat=6)])
    found = relative_test({"loss": Ranks(audited, original, retrained[None])}, person, forgotten, seed=0)
    assert found.complete and found.permutations == 64 and found.overall.interval is None, "three people a side"
    assert found.overall.p_original == pytest.approx((values >= values[0] - 1e-12).mean())
    assert found.overall.p_retrained == pytest.approx((values <= values[0] + 1e-12).mean())
    line = curve(original) - curve(retrained)
    place = ((curve(audited) - curve(retrained)) @ line) / (line @ line)
    assert found.figures["loss"].position == pytest.approx(place)


def test_references_that_are_one_leave_nothing_to_decide() -> None:
    same = np.random.default_rng(0).uniform(size=len(PERSON))
    found = relative_test({"loss": Ranks(same, same, same[None])}, PERSON, FORGOTTEN, seed=0, permutations=50)
    assert (found.overall.position, found.overall.p_retrained, found.overall.p_original) == (None, 1.0, 1.0)


def test_one_side_alone_is_refused() -> None:
    one = Ranks(*np.full((2, 4), 0.5), np.full((1, 4), 0.5))
    with pytest.raises(InputError, match="forgotten people with unseen ones"):
        relative_test({"loss": one}, np.arange(4), np.ones(4, dtype=bool), seed=0)
