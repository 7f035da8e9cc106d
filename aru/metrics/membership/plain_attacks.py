"""The plain attacks, which need no shadow model: signals of one model's answers, and their ranks within a class.

A score's rank among unseen images of its class is what Song and Mittal 2021 reach with a threshold a class; labels that
forget and unseen images hold in other shares then tell nothing.
"""

import numpy as np

from aru.metrics.membership.signals import confidence, modified_entropy
from aru.metrics.utility import per_example_loss

BASELINES = {
    "loss": lambda logits, targets: -per_example_loss(logits, targets),
    "confidence": confidence,
    "modified_entropy": lambda logits, targets: -modified_entropy(logits, targets),
}
"""Signals of logits and targets, each with the sign that members score higher."""


def class_ranks(scores: np.ndarray, strata: np.ndarray, unseen: np.ndarray, unseen_strata: np.ndarray) -> np.ndarray:
    """Rank of every score among unseen images of its class, ties half, in (0, 1); 0.5 where the class has none.

    Shape: (M,), (M,), (U,), (U,). Unseen images themselves have `ranks_among_others`.
    """
    ranks = np.full(len(scores), 0.5)
    for stratum in np.unique(strata):
        inside, reference = strata == stratum, np.sort(unseen[unseen_strata == stratum])
        below, upto = (np.searchsorted(reference, scores[inside], side=side) for side in ("left", "right"))
        ranks[inside] = ((below + upto) / 2 + 0.5) / (len(reference) + 1)
    return ranks


def ranks_among_others(scores: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Rank of every score among the other ones of its class, ties half, in (0, 1); 0.5 where there is no other one.

    So an unseen image stands as a forgotten one does in `class_ranks`. Ranked with itself, none would be as far out as a
    forgotten one can be, the less the fewer its class has, and people of whom nothing remains would be found by their
    highest photo. Shape: (M,), (M,).
    """
    ranks = np.empty(len(scores))
    for stratum in np.unique(strata):
        inside = strata == stratum
        known = np.sort(scores[inside])
        below, upto = (np.searchsorted(known, scores[inside], side=side) for side in ("left", "right"))
        ranks[inside] = (below + upto) / 2 / len(known)
    return ranks
