"""What an attack found, by image and by person, and the plain attacks that need no shadow model."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from aru.metrics.membership.matched import strata_of
from aru.metrics.membership.signals import confidence, modified_entropy
from aru.metrics.people.exposure import most_exposed, people_scores
from aru.metrics.utility import per_example_loss
from aru.stats.roc import FALSE_POSITIVE_RATES, auc, auc_interval, tpr_at_fpr

BASELINES = {
    "loss": lambda logits, targets: -per_example_loss(logits, targets),
    "confidence": confidence,
    "modified_entropy": lambda logits, targets: -modified_entropy(logits, targets),
}
"""Signals of logits and targets, each with the sign that members score higher."""


def baseline_attacks(
    logits: Mapping[str, torch.Tensor],
    targets: Mapping[str, torch.Tensor],
    people: Mapping[str, np.ndarray],
    *,
    resamples: int,
    seed: int,
    by_class: bool = True,
) -> dict[str, dict[str, Any]]:
    """The loss, confidence and modified-entropy attacks on one model: name -> `attack_report`.

    by_class: every image's score is its rank among unseen images of its class, as Song and Mittal 2021 have a
    threshold a class; labels that forget and unseen hold in other shares then tell nothing. False: the scores as they
    are. Shape: the sets forget and unseen, as `summarise` takes them; people (M,), the person of every image.
    """
    strata = {side: strata_of(targets[side]) for side in ("forget", "unseen")}
    reports = {}
    for name, signal in BASELINES.items():
        forget, unseen = (signal(logits[side], targets[side]) for side in ("forget", "unseen"))
        if by_class:
            sides = ((forget, strata["forget"]), (unseen, strata["unseen"]))
            forget, unseen = (class_ranks(*side, unseen, strata["unseen"]) for side in sides)
        reports[name] = attack_report(forget, unseen, people["forget"], people["unseen"], resamples=resamples, seed=seed)
    return reports


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


def attack_report(
    forget: np.ndarray,
    unseen: np.ndarray,
    forget_people: np.ndarray,
    unseen_people: np.ndarray,
    *,
    resamples: int,
    seed: int,
    exposed: int = 10,
) -> dict[str, Any]:
    """What any attack's scores (higher for members) find: `image` and `person` figures, and the most exposed people.

    Each of the two holds `auc`, `auc_interval` (people drawn), `tpr` (an `OperatingPoint` for 0.1 % and for 1 %) and
    the `counts`. Shape: (F,), (U,), and the person of every image. The interval by person takes the comparison with
    the unseen people as given, so it is narrow where few of them have as many photos as the forgotten people (it
    covered 88 % instead of 95 % with 6 to 29 photos against 1 to 11).
    """
    found, others = people_scores(forget, forget_people, unseen, unseen_people, seed=seed)
    groups = (np.asarray(forget_people), np.asarray(unseen_people))
    return {
        "image": _figures(forget, unseen, groups, resamples=resamples, seed=seed),
        "person": _figures(found.score, others.score, None, resamples=resamples, seed=seed),
        "most_exposed": most_exposed(found, count=exposed),
    }


def _figures(
    members: np.ndarray, others: np.ndarray, people: tuple[np.ndarray, np.ndarray] | None, *, resamples: int, seed: int
) -> dict[str, Any]:
    return {
        "auc": auc(members, others),
        "auc_interval": auc_interval(members, others, people=people, resamples=resamples, seed=seed),
        "tpr": [asdict(tpr_at_fpr(members, others, rate)) for rate in FALSE_POSITIVE_RATES],
        "counts": [len(members), len(others)],
    }
