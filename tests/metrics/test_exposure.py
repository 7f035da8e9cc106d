"""Scores by person: a loop over draws, numbers of photos that must not help, the most exposed, the plain attacks."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from aru.core.errors import InputError, LeakError
from aru.metrics.membership.plain_attacks import BASELINES, class_ranks, ranks_among_others
from aru.metrics.people.exposure import most_exposed, people_scores
from aru.metrics.people.individuals import individuals
from aru.metrics.utility import per_example_loss
from aru.stats.roc import auc, clopper_pearson, tpr_at_fpr

Side = tuple[np.ndarray, np.ndarray]


def side(name: str, people: int, photos: tuple[int, int], *, shift: float = 0.0, likeness: float = 0.6, seed: int = 0) -> Side:
    """Scores of photos and whose they are; `likeness` is the correlation of two photos of a person."""
    rng = np.random.default_rng([seed, ord(name)])
    counts = rng.integers(photos[0], photos[1] + 1, people)
    own = np.repeat(rng.normal(shift, np.sqrt(likeness), people), counts)
    ids = np.repeat([f"{name}{number:03}" for number in range(people)], counts)
    return own + rng.normal(0, np.sqrt(1 - likeness), counts.sum()), ids


def shuffled(scores: np.ndarray, ids: np.ndarray) -> Side:
    order = np.random.default_rng(0).permutation(len(ids))
    return scores[order], ids[order]


def naive_score(top: float, k: int, unseen: Side) -> float:
    """Share of unseen people below, over every way to draw k of their photos, as one more of them."""
    below, compared = 0.0, 0
    for person in np.unique(unseen[1]):
        photos = unseen[0][unseen[1] == person]
        if len(photos) >= k:
            compared += 1
            tops = [max(chosen) for chosen in combinations(photos, k)]
            below += np.mean([(t < top) + 0.5 * (t == top) for t in tops])
    return (below + 0.5) / (compared + 1)


def test_the_score_is_the_loop_over_draws() -> None:
    rng = np.random.default_rng(0)
    forget, unseen = side("f", 9, (1, 4)), side("u", 13, (1, 7))
    forget, unseen = ((np.round(scores + rng.normal(size=len(scores)), 1), ids) for scores, ids in (forget, unseen))  # ties
    found, others = people_scores(*shuffled(*forget), *shuffled(*unseen), seed=0)
    for people, scores in ((found, forget), (others, unseen)):
        assert people.ids.tolist() == sorted(set(scores[1]))
        checked = 0
        for row, person in enumerate(people.ids):
            photos = scores[0][scores[1] == person]
            assert (people.photos[row], people.maximum[row]) == (len(photos), photos.max())
            assert people.drawn[row] == min(len(photos), 4)  # 7 of the 13 unseen people have 4 photos or more
            if len(photos) == people.drawn[row]:
                expected = naive_score(photos.max(), len(photos), unseen)
                assert people.score[row] == pytest.approx(expected, abs=1e-11)
                checked += 1
        assert checked >= 5


def test_of_more_photos_than_unseen_people_have_some_are_drawn() -> None:
    unseen = side("u", 30, (2, 3))
    scores, ids = np.append(np.full(9, -9.0), 9.0), np.repeat("f", 10)
    drawn = [people_scores(scores, ids, *unseen, seed=seed)[0] for seed in range(200)]
    assert {one.drawn[0] for one in drawn} == {2} or {one.drawn[0] for one in drawn} == {3}
    assert np.mean([one.score[0] > 0.5 for one in drawn]) == pytest.approx(drawn[0].drawn[0] / 10, abs=0.09)
    assert all(one.maximum[0] == 9 for one in drawn)
    forget = np.append(scores, np.full(10, 5.0)), np.append(ids, np.repeat("g", 10))
    hidden = [people_scores(*forget, *unseen, seed=seed)[0] for seed in range(20)]
    assert {most_exposed(one, by="maximum")[0]["id"] for one in hidden} == {"f"}
    assert {most_exposed(one)[0]["id"] for one in hidden} == {"f", "g"}  # by score it depends on the draw
    again = people_scores(scores, ids, *unseen, seed=3)[0]
    assert np.array_equal(again.score, drawn[3].score)


def test_equal_numbers_of_photos_leave_the_maxima_their_order() -> None:
    forget, unseen = side("f", 40, (4, 4), shift=0.5), side("u", 50, (4, 4))
    forget, unseen = ((np.round(scores, 1), ids) for scores, ids in (forget, unseen))
    found, others = people_scores(*forget, *unseen, seed=0)
    assert auc(found.score, others.score) == pytest.approx(auc(found.maximum, others.maximum), abs=1e-12)
    for rate in (0.02, 0.1):
        assert tpr_at_fpr(found.score, others.score, rate).tpr == tpr_at_fpr(found.maximum, others.maximum, rate).tpr


@pytest.mark.parametrize("likeness", [0.0, 0.7])
@pytest.mark.parametrize("forget_photos, unseen_photos", [((6, 20), (1, 10)), ((1, 5), (5, 20)), ((1, 12), (1, 12))])
def test_numbers_of_photos_tell_nothing(likeness: float, forget_photos: tuple, unseen_photos: tuple) -> None:
    aucs, raw, tprs = [], [], []
    for seed in range(60):
        forget = side("f", 60, forget_photos, likeness=likeness, seed=seed)
        unseen = side("u", 60, unseen_photos, likeness=likeness, seed=seed)
        found, others = people_scores(*forget, *unseen, seed=seed)
        aucs.append(auc(found.score, others.score))
        raw.append(auc(found.maximum, others.maximum))
        tprs.append(tpr_at_fpr(found.score, others.score, 0.05).tpr)
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.025)
    assert np.mean(tprs) == pytest.approx(0.05, abs=0.03)
    if forget_photos == (6, 20) and likeness == 0:
        assert np.mean(raw) > 0.66  # what the plain maximum would claim to have found


def test_people_who_are_remembered_are_found() -> None:
    forget, unseen = side("f", 150, (1, 8), shift=2, likeness=0.9), side("u", 150, (1, 8), likeness=0.9)
    found, others = people_scores(*forget, *unseen, seed=0)
    assert auc(found.score, others.score) == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=0.06)
    one = side("f", 80, (5, 5)), side("u", 80, (5, 5))
    for person in ("f003", "f040"):
        one[0][0][np.flatnonzero(one[0][1] == person)[2]] = 20 + int(person[1:])  # a single photo is enough
    listed = most_exposed(people_scores(*one[0], *one[1], seed=0)[0], count=3)
    assert [entry["id"] for entry in listed][:2] == ["f040", "f003"]
    assert [entry["rank"] for entry in listed] == [1, 2, 3]
    assert listed[0] == {"rank": 1, "id": "f040", "score": listed[0]["score"], "maximum": 60.0, "photos": 5, "drawn": 5}
    assert listed[0]["score"] == listed[1]["score"] == pytest.approx(80.5 / 81)


def test_bad_people_are_named() -> None:
    forget, unseen = side("f", 5, (1, 2)), side("u", 5, (1, 2))
    with pytest.raises(LeakError, match="f001 has both forget and unseen"):
        people_scores(*forget, unseen[0], np.where(unseen[1] == "u003", "f001", unseen[1]), seed=0)
    with pytest.raises(InputError, match="of 1 person"):
        people_scores(*forget, unseen[0], np.full(len(unseen[0]), "u"), seed=0)
    with pytest.raises(InputError, match="3 people were given"):
        people_scores(forget[0], forget[1][:3], *unseen, seed=0)
    with pytest.raises(InputError, match="count is 0"):
        most_exposed(people_scores(*forget, *unseen, seed=0)[0], count=0)


def predictions(fit: float, seed: int = 0, *, forget_classes: tuple = (1, 1, 1)) -> tuple[dict, dict, dict]:
    """Logits, targets and people: the true class's logit is higher by `fit` for forget images; class 2 is a hard one."""
    rng = np.random.default_rng(seed)
    logits, targets, people = {}, {}, {}
    for name, shares, shift in (("forget", forget_classes, fit), ("unseen", (1, 1, 1), 0.0)):
        true = rng.choice(3, 600, p=np.array(shares) / sum(shares))
        values = rng.normal(size=(600, 3))
        values[np.arange(600), true] += 1 + shift - 3 * (true == 2)
        logits[name], targets[name] = torch.tensor(values, dtype=torch.float32), torch.tensor(true)
        people[name] = np.repeat([f"{name}{number}" for number in range(150)], 4)
    return logits, targets, people


def attacked(logits: dict, targets: dict, *, by_class: bool) -> dict[str, float]:
    """AUC of every plain attack, on its scores or on their ranks within the class."""
    strata = {name: labels.numpy() for name, labels in targets.items()}
    found = {}
    for name, signal in BASELINES.items():
        sides = {side: signal(logits[side], targets[side]) for side in ("forget", "unseen")}
        if by_class:
            unseen = sides["unseen"]
            sides = {side: class_ranks(scores, strata[side], unseen, strata["unseen"]) for side, scores in sides.items()}
        found[name] = auc(sides["forget"], sides["unseen"])
    return found


def test_the_plain_attacks_find_fit_and_nothing_else() -> None:
    fitted, fair = (attacked(*predictions(fit)[:2], by_class=True) for fit in (2.0, 0.0))
    assert list(fitted) == list(BASELINES) == ["loss", "confidence", "modified_entropy"]
    assert min(fitted.values()) > 0.75
    assert list(fair.values()) == pytest.approx([0.5] * 3, abs=0.07)


def test_labels_of_other_shares_fool_the_plain_figures_only() -> None:
    shifted = predictions(0.0, forget_classes=(5, 5, 1))[:2]
    assert min(attacked(*shifted, by_class=False).values()) > 0.57
    assert list(attacked(*shifted, by_class=True).values()) == pytest.approx([0.5] * 3, abs=0.04)


def test_class_ranks_are_the_loop_and_keep_the_order_of_one_class() -> None:
    rng = np.random.default_rng(0)
    scores, unseen = rng.integers(0, 9, 40) / 2, rng.integers(0, 9, 50) / 2
    strata, unseen_strata = rng.integers(0, 4, 40), rng.integers(0, 3, 50)
    expected = []
    for score, label in zip(scores, strata, strict=True):
        peers = unseen[unseen_strata == label]
        expected.append(((peers < score).sum() + (peers == score).sum() / 2 + 0.5) / (len(peers) + 1))
    assert class_ranks(scores, strata, unseen, unseen_strata) == pytest.approx(expected)
    assert set(class_ranks(scores, strata, unseen, unseen_strata)[strata == 3]) == {0.5}
    one, other = np.zeros(40, dtype=int), np.zeros(50, dtype=int)
    ranks = class_ranks(scores, one, unseen, other), class_ranks(unseen, other, unseen, other)
    assert auc(*ranks) == pytest.approx(auc(scores, unseen), abs=1e-12)


def test_an_unseen_image_stands_among_the_others_as_a_forgotten_one_among_all() -> None:
    rng = np.random.default_rng(0)
    scores, strata = rng.integers(0, 9, 50) / 2, rng.integers(0, 3, 50)
    scores, strata = np.append(scores, 7.0), np.append(strata, 3)  # the only one of its class
    expected = []
    for number, score in enumerate(scores):
        others = np.arange(len(scores)) != number
        expected += class_ranks(np.array([score]), strata[[number]], scores[others], strata[others]).tolist()
    assert ranks_among_others(scores, strata) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [8, 60])
def test_people_of_whom_nothing_remains_are_not_found_however_small_the_classes_are(classes: int) -> None:
    people = np.repeat(np.arange(38), 11), 100 + np.repeat(np.arange(45), 9)
    aucs, named = [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores = [rng.normal(size=len(side)) for side in people]
        strata = [rng.integers(0, classes, len(side)) for side in people]
        ranks = class_ranks(scores[0], strata[0], scores[1], strata[1]), ranks_among_others(scores[1], strata[1])
        forgotten, strangers = people_scores(ranks[0], people[0], ranks[1], people[1], seed=seed)
        aucs.append(auc(forgotten.score, strangers.score))
        named += individuals(ranks[0], people[0], ranks[1], people[1], error=0.05).found.any()
    assert np.mean(aucs) == pytest.approx(0.5, abs=3 * 0.065 / 40**0.5)
    assert clopper_pearson(int(named), 40)[0] <= 0.05


def test_baselines_have_the_sign_of_membership() -> None:
    logits, targets, _ = predictions(0.0)
    loss = per_example_loss(logits["forget"], targets["forget"])
    for signal in BASELINES.values():
        values = signal(logits["forget"], targets["forget"])
        assert values[loss.argmin()] > np.median(values) > values[loss.argmax()]


def test_a_model_that_answers_alike_to_all_tests_nobody_one_by_one() -> None:
    people = np.repeat(np.arange(12), 3)
    with pytest.raises(InputError, match="unseen people's ranks do not differ"):
        individuals(np.full(36, 0.5), people, np.full(36, 0.5), 100 + people)
