"""How often the quick level turns a retrained model away, by people and photos (`python -m aru false-alarms`).

A small problem whose truth is known: images with the pattern of a class, something of the person's own that all photos of a
person share, and noise. The audited model was trained on the retained people alone, so whoever is forgotten is to it what an
unseen person is, and every failure is a false alarm. In each trial other people are forgotten and others are unseen.
"""

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import nn

from aru.audit.case import AUDITED, Case, make_case
from aru.audit.quick import QUICK_SETS, quick
from aru.audit.thresholds import Threshold
from aru.audit.verdicts import Measurement, judge
from aru.compute.device import Compute
from aru.core.config import TrainConfig
from aru.core.names import FORGET, ORIGINAL, RETAIN, TEST, UNSEEN
from aru.core.seeds import seeded
from aru.data.images import ImageSet, Sets
from aru.train.loop import fit

PEOPLE, PHOTOS = (1, 2, 5, 10, 40), (1, 3, 8)
RETAINED, CANDIDATES, UNSEEN_PEOPLE, UNSEEN_PHOTOS = 240, 60, 45, 6
SIDE, CLASSES, PATTERN = 6, 4, 0.2
OWN = 0.9
"""How far a person's own features reach, in standard deviations of the noise of an image."""
CONSTANT = 0.7
"""Share of a person's photos that are of one class."""
RESAMPLES = 100
CPU = Compute(torch.device("cpu"), torch.float32)
ALL = "any of them"
RECIPE = TrainConfig(epochs=6, batch_size=64, lr=0.02, momentum=0.9, schedule="cosine", augment=False)


def rates(people: int, photos: int, *, trials: int, criteria: dict[str, Threshold], first: int = 0) -> dict[str, float]:
    """Share of trials in which each required criterion of the quick level fails, and any of them.

    people: forgotten ones; photos: of each of them. first: number of the first trial.
    """
    required = {name: one for name, one in criteria.items() if one.required}
    failed: Counter[str] = Counter()
    for trial in range(first, first + trials):
        found = quick(case_of(people, photos, trial))[0]
        bad = [
            name
            for name, one in required.items()
            if isinstance(measured := found[name], Measurement) and judge(measured, one) == "fail"
        ]
        failed.update([*bad, *([ALL] if bad else [])])
    return {name: failed[name] / trials for name in (*required, ALL)}


def case_of(people: int, photos: int, trial: int) -> Case:
    """The case of one trial: the models are always the same, the people are not."""
    rng = np.random.default_rng([people, photos, trial])
    forgotten = _candidates()[rng.choice(CANDIDATES, people, replace=False)]
    parts: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {
        FORGET: _photos(forgotten, photos, rng),
        RETAIN: _photos(_people(2, rng), photos, rng),
        TEST: _photos(_people(60, rng), 4, rng),
        UNSEEN: _photos(_people(UNSEEN_PEOPLE, rng), UNSEEN_PHOTOS, rng),
    }
    rows = [
        {"role": role, "subject": f"{role}{person:03d}", "photo": f"{role}{number}"}
        for role, (_, _, people_of) in parts.items()
        for number, person in enumerate(people_of)
    ]
    models = dict(zip((AUDITED, ORIGINAL), _models(), strict=True))
    return make_case(models, _sets(parts), pd.DataFrame(rows), compute=CPU, resamples=RESAMPLES, seed=trial, roles=QUICK_SETS)


def _people(count: int, rng: np.random.Generator) -> np.ndarray:
    """What is each person's own in all photos. Shape: (P, SIDE, SIDE, 3)."""
    return rng.normal(0, OWN, (count, SIDE, SIDE, 3))


@cache
def _candidates() -> np.ndarray:
    """People whom the original was trained on, of whom each trial forgets some."""
    return _people(CANDIDATES, np.random.default_rng(1))


def _photos(people: np.ndarray, photos: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (M, SIDE, SIDE, 3) uint8 of so many photos a person, their classes (M,), and the number of the person (M,)."""
    person = np.repeat(np.arange(len(people)), photos)
    theirs = rng.integers(CLASSES, size=len(people))[person]
    label = np.where(rng.random(len(person)) < CONSTANT, theirs, rng.integers(CLASSES, size=len(person)))
    patterns = np.random.default_rng(0).normal(0, PATTERN, (CLASSES, SIDE, SIDE, 3))
    values = patterns[label] + people[person] + rng.normal(0, 1, (len(person), SIDE, SIDE, 3))
    return np.clip(128 + 30 * values, 0, 255).astype(np.uint8), label, person


def _sets(parts: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Sets:
    images, labels = (np.concatenate([part[column] for part in parts.values()]) for column in (0, 1))
    ends = np.cumsum([0, *(len(part[1]) for part in parts.values())])
    rows = [np.arange(first, last) for first, last in pairwise(ends)]
    return Sets(
        **{role: ImageSet(images, own, torch.from_numpy(labels[own]), CLASSES) for role, own in zip(parts, rows, strict=True)}
    )


@cache
def _models() -> tuple[nn.Module, nn.Module]:
    """The retrained model, of retained people alone, and the original, of these and of all candidates."""
    rng = np.random.default_rng(2)
    retained = _photos(_people(RETAINED, rng), UNSEEN_PHOTOS, rng)
    forgotten = _photos(_candidates(), UNSEEN_PHOTOS, rng)
    sets = _sets({FORGET: forgotten, RETAIN: retained, TEST: retained, UNSEEN: retained})
    return _trained(sets.retain, 0), _trained(sets.train, 1)


def _trained(data: ImageSet, seed: int) -> nn.Module:
    with seeded(seed):
        model = nn.Sequential(
            nn.BatchNorm2d(3, affine=False), nn.Flatten(), nn.Linear(3 * SIDE**2, 32), nn.ReLU(), nn.Linear(32, CLASSES)
        )
    fit(model, data, RECIPE, generator=torch.Generator().manual_seed(seed), compute=CPU)
    return model


def format_table(table: dict[tuple[int, int], dict[str, float]]) -> list[str]:
    """Lines of a Markdown table: a row for every number of people and photos."""
    names = list(next(iter(table.values())))
    lines = [f"| people | photos of each | {' | '.join(names)} |", "|---:" * (2 + len(names)) + "|"]
    return lines + [
        f"| {people} | {photos} | {' | '.join(f'{100 * one[name]:.1f} %' for name in names)} |"
        for (people, photos), one in table.items()
    ]
