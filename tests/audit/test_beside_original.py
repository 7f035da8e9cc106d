"""The quick audit beside the original: perturbed originals that give little away must fail, and retrained models must not."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from aru.audit.beside_original import likeness, remaining
from aru.audit.criteria import KNOWN
from aru.audit.known_bad import KNOWN_BAD
from aru.audit.quick import quick
from aru.audit.thresholds import read_thresholds
from aru.audit.verdicts import Measurement, NotRun, Verdict, judge, overall
from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.metrics.membership import combined as combined_module
from aru.metrics.membership.combined import combined_scores
from aru.metrics.people.individuals import ERROR, individuals
from aru.stats.roc import auc, clopper_pearson
from tests.helpers.audited import RECIPE, case_of, faint_original, faint_retrained, original, retrained, sets
from tests.helpers.toys import CPU

CRITERIA = read_thresholds(Path(__file__).resolve().parents[2] / "thresholds.yaml", KNOWN).of("quick")
NEW = ("combined", "remaining", "individuals", "likeness")


def known_bad(name: str, model: nn.Module) -> nn.Module:
    return KNOWN_BAD[name](model, sets().retain, RECIPE.lr, CPU)


def verdicts(model: nn.Module, beside: nn.Module) -> dict[str, Verdict]:
    found = quick(case_of(model, beside=beside, resamples=100))[0]
    return {
        name: judge(one, CRITERIA[name]) if isinstance(one, Measurement) else "inconclusive" for name, one in found.items()
    }


@pytest.mark.parametrize("name", KNOWN_BAD)
def test_an_original_that_was_only_perturbed_fails_though_it_gives_little_away(name: str) -> None:
    found = verdicts(known_bad(name, faint_original()), faint_original())
    assert overall(found, CRITERIA) == "fail", found
    assert found["likeness"] == "fail"


def test_features_that_hardly_vary_are_told_from_others_where_work_is_in_bfloat16() -> None:
    """One forgotten person, a network that was hardly trained: nothing else would find the noise."""
    flat = copy.deepcopy(faint_original())
    with torch.no_grad():
        next(module for module in flat.modules() if isinstance(module, nn.Linear)).bias.add_(1000)
    case = case_of(known_bad("noise of .001", flat), beside=flat)
    found = likeness(replace(case, compute=Compute(torch.device("cpu"), torch.bfloat16)))
    assert isinstance(found, Measurement) and found.figure > 0.99


def test_limits_on_the_attacks_alone_do_not_find_a_faint_original_with_noise() -> None:
    """Why it is held to the original's own figures."""
    found = verdicts(known_bad("noise of .003", faint_original()), faint_original())
    assert "fail" not in [verdict for name, verdict in found.items() if name not in NEW]
    assert found["remaining"] == found["likeness"] == "fail"


@pytest.mark.parametrize("name", ["noise of .003", "one step further", "temperature 3"])
def test_of_an_original_that_remembers_much_all_of_it_is_found(name: str) -> None:
    found = verdicts(known_bad(name, original()), original())
    assert {name: found[name] for name in ("remaining", "individuals", "likeness", "combined")} == dict.fromkeys(
        ("remaining", "individuals", "likeness", "combined"), "fail"
    )


@pytest.mark.parametrize(
    "make, beside, least", [(faint_retrained, faint_original, 2), (retrained, original, 4)], ids=["faint", "strong"]
)
def test_retrained_models_do_not_fail_beside_the_original(make: Callable, beside: Callable, least: int) -> None:
    """Beside a faint original it takes more people than these to be sure that less than half is left."""
    found = [verdicts(make(seed), beside()) for seed in range(4)]
    assert all(overall(one, CRITERIA) != "fail" for one in found)
    assert {one[name] for one in found for name in ("individuals", "likeness")} == {"pass"}
    assert [one["remaining"] for one in found].count("pass") >= least


def test_what_remains_is_the_share_of_the_originals_gap() -> None:
    original_auc, audited = np.array([0.7, 0.6, 0.8]), np.array([0.6, 0.55, 0.65])
    assert remaining(audited, original_auc).figure == pytest.approx(0.5)
    assert remaining(np.full(3, 0.5), original_auc).figure == 0
    assert remaining(original_auc, original_auc) == Measurement(1.0, (1.0, 1.0), 0.0)


def test_of_an_original_that_gives_nothing_away_no_share_is_measured() -> None:
    rng = np.random.default_rng(0)
    found = remaining(np.full(101, 0.5), np.append(0.53, rng.normal(0.53, 0.02, 100)))
    assert isinstance(found, NotRun) and "its AUC is 0.530" in found.why


def ranks_of(means: np.ndarray, photos: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of people's photos around their means, and whose they are."""
    centres = means + rng.normal(0, 0.05, len(means))
    ranks = np.clip(centres[:, None] + rng.uniform(-0.45, 0.45, (len(means), photos)), 0, 1)
    return ranks.reshape(-1), np.repeat(np.arange(len(means)), photos)


@pytest.mark.parametrize(
    "people, photos, of_others", [(1, 3, 8), (5, 6, 8), (40, 8, 8), (1, 50, 2), (10, 40, 2), (10, 100, 2), (38, 30, 3)]
)
def test_nobody_is_named_falsely_in_more_than_one_audit_of_a_hundred(people: int, photos: int, of_others: int) -> None:
    """Also where forgotten people have many more photos than unseen ones, who then hardly say how people differ."""
    rng, audits = np.random.default_rng(people), 500
    named = 0
    for _ in range(audits):
        unseen, others = ranks_of(np.full(40, 0.5), of_others, rng)
        forget, persons = ranks_of(np.full(people, 0.5), photos, rng)
        named += bool(individuals(forget, persons, unseen, others).found.any())
    assert clopper_pearson(named, audits)[0] <= ERROR, f"{named} of {audits}"


def test_who_stands_out_among_many_is_named() -> None:
    rng, means = np.random.default_rng(0), np.full(40, 0.5)
    means[[3, 17]] = 1.3
    unseen, others = ranks_of(np.full(40, 0.5), 10, rng)
    found = individuals(*ranks_of(means, 10, rng), unseen, others)
    assert found.ids[found.found].tolist() == [3, 17] and found.testable.all()


def test_who_has_one_photo_cannot_be_found_among_many() -> None:
    rng = np.random.default_rng(0)
    unseen, others = ranks_of(np.full(40, 0.5), 8, rng)
    found = individuals(np.ones(40), np.arange(40), unseen, others)
    assert not found.testable.any() and not found.found.any()
    with pytest.raises(InputError, match="5 unseen people"):
        individuals(np.ones(4), np.arange(4), unseen[:40], others[:40])


def test_all_signals_together_find_what_none_shows_alone() -> None:
    """Members have two signals that agree, others two that do not: each alone is spread evenly."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(40), 10)
    one = rng.uniform(size=(2, 400))
    far = np.abs(one - 0.5)
    other = np.stack((np.where(rng.random(400) < 0.5, 1, -1) * far[0] * 0.5 + 0.5, rng.uniform(size=400)))
    ranks = [(one[0], one[1]), (other[0], other[1])]
    assert all(abs(auc(*pair) - 0.5) < 0.06 for pair in ranks)
    assert auc(*combined_scores(ranks, (people, people + 100), seed=0)) > 0.65
    nothing = [(rng.uniform(size=400), rng.uniform(size=400)) for _ in range(4)]
    assert auc(*combined_scores(nothing, (people, people + 100), seed=0)) == pytest.approx(0.5, abs=0.08)
    both = combined_module._folds((people, people[::-1]), 0)
    assert np.array_equal(both[0], both[1][::-1]), "who is on both sides is learned from on neither"
    with pytest.raises(InputError, match="4 of the 5 people"):
        combined_scores(nothing, (np.repeat(np.arange(4), 100), people + 100), seed=0)


def test_no_persons_own_photos_teach_the_attack_about_that_person() -> None:
    """A signal that only names one member is no evidence: nobody else has it."""
    people = np.repeat(np.arange(40), 10)
    forget = np.where(people == 7, 0.99, 0.5) + np.random.default_rng(0).normal(0, 1e-3, 400)
    unseen = np.full(400, 0.5) + np.random.default_rng(1).normal(0, 1e-3, 400)
    scores = combined_scores([(forget, unseen)], (people, people + 100), seed=0)
    learned_alone = combined_scores([(forget[people != 7], unseen)], (people[people != 7], people + 100), seed=0)
    assert auc(*scores) < 0.6 and auc(*learned_alone) < 0.6
    assert torch.isfinite(torch.from_numpy(np.concatenate(scores))).all()
