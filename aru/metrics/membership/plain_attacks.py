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

    Shape: (M,), (M,), (U,), (U,). Unseen images themselves are ranked by giving them twice.
    """
    ranks = np.full(len(scores), 0.5)
    for stratum in np.unique(strata):
        inside, reference = strata == stratum, np.sort(unseen[unseen_strata == stratum])
        below, upto = (np.searchsorted(reference, scores[inside], side=side) for side in ("left", "right"))
        ranks[inside] = ((below + upto) / 2 + 0.5) / (len(reference) + 1)
    return ranks
