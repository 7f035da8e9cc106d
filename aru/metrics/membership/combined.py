"""All attack signals in one: a logistic regression learned on some people and asked about the others.

A threshold on one signal misses what only several show together, such as losses like those of unseen images with answers that
are far too even. The regression sees each signal's rank within its class and how far that rank lies from the middle, so it can
use both tails. Every person is scored by the regressions that were learned without that person: what it learns of one
person's photos is no evidence about that person.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aru.core.errors import InputError

FOLDS = 5


def combined_scores(
    ranks: Sequence[tuple[np.ndarray, np.ndarray]], people: tuple[np.ndarray, np.ndarray], *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of forget and unseen images, higher for members: log-odds of the regression that did not see the person.

    Shape: for each signal the ranks ((F,), (U,)) in (0, 1), and the person of every image of both sides; result ((F,), (U,)).
    Raises InputError where one side has fewer than `FOLDS` people.
    """
    sides = _folds(people, seed)
    columns = np.column_stack([np.concatenate(pair) for pair in ranks]) - 0.5
    table = np.column_stack((columns, np.abs(columns)))
    member = np.repeat([1, 0], [len(side) for side in people])
    fold, scores = np.concatenate(sides), np.empty(len(member))
    for number in range(FOLDS):
        learned, asked = fold != number, fold == number
        scale = StandardScaler().fit(table[learned])
        model = LogisticRegression(class_weight="balanced").fit(scale.transform(table[learned]), member[learned])
        scores[asked] = model.decision_function(scale.transform(table[asked]))
    return scores[member == 1], scores[member == 0]


def _folds(people: tuple[np.ndarray, np.ndarray], seed: int) -> list[np.ndarray]:
    """The fold of every image of both sides: people are dealt to the folds in turn, in a drawn order. Shape: (F,), (U,).

    Who has images on both sides, as where people are the classes, is in one fold on both.
    """
    dealt: dict[Any, int] = {}
    for number, side in enumerate(people):
        ids = np.unique(side)
        if len(ids) < FOLDS:
            raise InputError(
                f"one side has {len(ids)} of the {FOLDS} people who are needed for an attack that learns on some and is asked "
                "about others"
            )
        folds = np.random.default_rng([seed, number]).permutation(len(ids)) % FOLDS
        dealt = dict(zip(ids.tolist(), folds.tolist(), strict=True)) | dealt
    return [np.array([dealt[one] for one in side.tolist()]) for side in people]
