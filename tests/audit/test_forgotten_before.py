"""Those forgotten earlier held to unseen people again: a model that knows them is found, one that does not is not."""

import numpy as np
import pytest
import torch
from scipy.stats import norm, t
from torch import nn

from aru.audit.forgotten_before import AgainstUnseen
from aru.data.images import ImageSet
from aru.metrics.membership.matched import strata_of
from tests.helpers.toys import CPU

PHOTOS, SIDE = 3, 2


class Shown(nn.Module):
    """Answers by the first pixel: the brighter, the surer of class 0."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        first = images[:, 0, 0, 0]
        return torch.stack((4 * first, torch.zeros_like(first)), dim=1)


def of_people(people: int, low: int, high: int, seed: int) -> tuple[ImageSet, np.ndarray]:
    """Photos whose first pixels are drawn between two values, and whom they show."""
    pixels = np.random.default_rng(seed).integers(low, high, (people * PHOTOS, SIDE, SIDE, 3)).astype(np.uint8)
    targets = torch.zeros(len(pixels), dtype=torch.int64)
    return ImageSet(pixels, np.arange(len(pixels)), targets, 2), np.repeat([f"S{i}-{seed}" for i in range(people)], PHOTOS)


def test_people_whom_a_model_knows_again_are_told_from_those_whom_it_does_not() -> None:
    unseen, strangers = of_people(45, 0, 200, 1)
    against = AgainstUnseen(Shown(), unseen, strangers, compute=CPU, resamples=100, seed=0)
    for count in (1, 8):  # few people: unseen ones in their place; more: the bootstrap
        known, like_unseen = (against.known(*of_people(count, *values, 2)) for values in ((190, 256), (0, 200)))
        assert known.auc > 0.9 and known.low > 0.55
        assert like_unseen.low < 0.5 < like_unseen.high
    images, _ = of_people(2, 190, 256, 3)
    assert against.auc(images) > 0.9


def test_of_five_to_nine_people_the_interval_is_widened_as_an_audit_s() -> None:
    unseen, strangers = of_people(45, 0, 200, 1)
    against = AgainstUnseen(Shown(), unseen, strangers, compute=CPU, resamples=200, seed=0)
    photos, people = of_people(9, 0, 200, 2)
    few = against.known(photos, people)
    asked = against._bootstrap(against._of(photos), strata_of(photos.targets), photos.targets, people)
    assert asked.interval is not None
    factor = t.ppf(0.975, 8) / norm.ppf(0.975) * (9 / 8) ** 0.5
    assert (few.low, few.high) == pytest.approx([few.auc + factor * (end - few.auc) for end in asked.interval])


def test_too_few_unseen_people_leave_the_interval_open() -> None:
    unseen, strangers = of_people(10, 0, 200, 1)
    known = AgainstUnseen(Shown(), unseen, strangers, compute=CPU, resamples=10, seed=0).known(*of_people(1, 0, 200, 2))
    assert 0 <= known.auc <= 1 and np.isnan(known.low) and np.isnan(known.high)
