"""Whether unlearning made it easier to tell that people who stayed are in the training data."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from aru.metrics.membership.matched import MatchedAttack
from aru.metrics.reported_figures import Rise
from aru.stats.intervals import draw_counts
from aru.stats.simultaneous import simultaneous_intervals


class BystanderExposure(TypedDict):
    """AUC of the loss attack by model and group, and its rise by reference and group."""

    auc: dict[str, dict[str, float]]
    rise: dict[str, dict[str, Rise]]


def exposure_figures(
    retained: Mapping[str, np.ndarray],
    unseen: Mapping[str, np.ndarray],
    strata: tuple[np.ndarray, np.ndarray],
    people: tuple[np.ndarray, np.ndarray],
    groups: Mapping[str, np.ndarray],
    *,
    model: str,
    references: tuple[str, ...],
    resamples: int,
    seed: int,
) -> BystanderExposure:
    """Class-matched AUC of the loss attack on groups of retained people, by model, and the rise over each reference.

    Shape: retained[model] (B,) and unseen[model] (U,) losses; strata and people ((B,), (U,)), class and person of every
    image; groups name -> (B,) bool, each with an image of a class that is unseen too. The rise of the AUC over a reference
    is `raised` where its interval lies above 0; intervals are over people of both sets, the same draws for all models, and
    hold together for all groups of one reference.
    """
    draws = [
        draw_counts(len(side), side, resamples=resamples, rng=np.random.default_rng([seed, 1 + number]))
        for number, side in enumerate(people)
    ]
    counts = [np.vstack((np.ones(len(side)), drawn)) for side, drawn in zip(people, draws, strict=True)]
    values = {name: np.empty((1 + resamples, len(groups))) for name in (model, *references)}
    for name, column in values.items():
        for place, chosen in enumerate(groups.values()):
            attack = MatchedAttack(retained[name][chosen], strata[0][chosen], unseen[name], strata[1])
            column[:, place] = attack.resampled(counts[0][:, chosen], counts[1])["auc"]
    known = len(np.unique(people[1]))
    size = np.array([min(known, len(np.unique(people[0][chosen]))) for chosen in groups.values()])
    return {
        "auc": {name: dict(zip(groups, map(float, column[0]), strict=True)) for name, column in values.items()},
        "rise": {name: _rise(values[model] - values[name], list(groups), size) for name in references},
    }


def _rise(difference: np.ndarray, groups: list[str], people: np.ndarray) -> dict[str, Rise]:
    bounds = simultaneous_intervals(difference[0], difference[1:], people)
    return {
        name: {
            "difference": float(difference[0, place]),
            "interval": bounds[place].tolist(),
            "raised": bool(bounds[place, 0] > 0),
        }
        for place, name in enumerate(groups)
    }
