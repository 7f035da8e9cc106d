"""All attack signals in one: a logistic regression learned on some people and asked about the others.

A threshold on one signal misses what only several show together, such as losses like those of unseen images with answers that
are far too even. The regression sees each signal's rank within its class and how far that rank lies from the middle, so it can
use both tails. Every person is scored by the regressions that were learned without that person: what it learns of one
person's photos is no evidence about that person.
"""

from collections.abc import Sequence

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
    sides = [_folds(side, np.random.default_rng([seed, number])) for number, side in enumerate(people)]
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


def _folds(people: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold of every image: people are dealt to the folds in turn, in a drawn order. Shape: (M,)."""
    ids, person = np.unique(people, return_inverse=True)
    if len(ids) < FOLDS:
        raise InputError(
            f"one side has {len(ids)} of the {FOLDS} people who are needed for an attack that learns on some and is asked "
            "about others"
        )
    return (rng.permutation(len(ids)) % FOLDS)[person.reshape(-1)]
