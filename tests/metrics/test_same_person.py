"""Verification by features: against pairs counted one by one, and people who are told apart or not."""

import numpy as np
import pytest
import torch

from aru.core.errors import InputError
from aru.metrics.representation.same_person import verify
from aru.stats.roc import auc


def features(people: int, photos: int, spread: float, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Photos of a person lie around the person's own place."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), photos)
    return torch.from_numpy(rng.normal(0, 1, (people, 6))[person] + rng.normal(0, spread, (len(person), 6))), person


def test_the_auc_is_that_of_all_pairs_one_by_one_without_copies() -> None:
    values, person = features(9, 4, 1.0)
    photos = np.arange(len(person))
    photos[1], values[1] = 0, values[0]  # a copy
    found = verify({"unlearned": values}, person, photos, seed=0, resamples=5)
    unit = torch.nn.functional.normalize(values - values.mean(dim=0), dim=1)
    same, other = [], []
    for one in range(len(person)):
        for two in range(one):
            if photos[one] != photos[two]:
                (same if person[one] == person[two] else other).append(float(unit[one] @ unit[two]))
    assert found["models"]["unlearned"]["auc"] == pytest.approx(auc(np.array(same), np.array(other)), abs=0.004)
    assert found["pairs"] == len(same) == 9 * 6 - 1 and found["people"] == 9


def test_features_that_know_people_are_found_and_those_that_do_not_are_not() -> None:
    knowing, person = features(20, 4, 0.3)
    chance = torch.from_numpy(np.random.default_rng(1).normal(size=knowing.shape))
    found = verify({"unlearned": knowing, "retrained": chance}, person, np.arange(80), seed=0, resamples=100)["models"]
    assert found["unlearned"]["auc"] > 0.95 and found["unlearned"]["found"] > 0.5
    assert found["retrained"]["auc_interval"][0] < 0.5 < found["retrained"]["auc_interval"][1]
    assert found["unlearned"]["gap_interval"][0] > 0.3 and "gap" not in found["retrained"]


def test_its_interval_over_people_holds_as_often_as_it_says() -> None:
    many = [features(100, 3, 1.5, seed) for seed in range(20)]
    aucs = [
        verify({"m": values}, person, np.arange(300), seed=0, resamples=1)["models"]["m"]["auc"] for values, person in many
    ]
    truth = float(np.mean(aucs))
    held = 0
    for seed in range(100, 160):
        values, person = features(25, 3, 1.5, seed)
        low, high = verify({"m": values}, person, np.arange(75), seed=seed, resamples=100)["models"]["m"]["auc_interval"]
        held += low <= truth <= high
    assert held >= 50, f"{held} of 60"


def test_too_few_people_or_photos_are_refused() -> None:
    values, person = features(5, 1, 1.0)
    with pytest.raises(InputError, match="5 people with 0 pairs"):
        verify({"unlearned": values}, person, np.arange(5), seed=0, resamples=5)
