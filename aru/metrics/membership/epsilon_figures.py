"""Epsilon of a forget set from ensembles: by image, by person, and for the request as a whole."""

from typing import TypedDict

import numpy as np

from aru.core.errors import InputError
from aru.metrics.membership.epsilon import (
    DELTA,
    Cuts,
    check_ensembles,
    epsilon_estimates,
    forgetting_quality,
    largest_estimate,
)
from aru.metrics.membership.epsilon_bound import CONFIDENCE, largest_bound, lower_bounds

WORST = 10


class ImageEpsilon(TypedDict):
    """Over the images: how many, the estimate, and the share of them whose bound is above 0."""

    images: int
    cuts: Cuts
    estimate_mean: float
    estimate_largest_measurable: float
    forgetting_quality: float
    bound_above_zero: float
    largest_measurable: float


class ExposedPerson(TypedDict):
    """A person whose bound is above 0."""

    subject: str
    bound: float


class PersonEpsilon(TypedDict):
    """Over the people; `worst`: those of the highest bounds, which hold together."""

    people: int
    bound_above_zero: float
    worst: list[ExposedPerson]
    largest_measurable: float


class RequestEpsilon(TypedDict):
    """The bound of the forget set as a whole, and the largest that so many models can show."""

    bound: float
    largest_measurable: float


class EpsilonFigures(TypedDict):
    """The result of `epsilon_figures`; models: how many `unlearned` and `retrained`."""

    models: dict[str, int]
    confidence: float
    delta: float
    image: ImageEpsilon
    person: PersonEpsilon
    request: RequestEpsilon


def epsilon_figures(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    subjects: np.ndarray,
    *,
    seed: int,
    confidence: float = CONFIDENCE,
    delta: float = DELTA,
    cuts: Cuts = "every",
) -> EpsilonFigures:
    """The competition's estimate by these cuts and, what counts, lower bounds, each beside the largest that could be measured.

    Shape: phi of the forget images under (U, M) unlearned and (R, M) retrained models; subjects (M,).

    Outcomes of many images under one model are not independent, so they are never counted as trials. What is pooled is
    the score: a person's is the mean phi of the person's images, the request's the mean over all people, both fixed
    before the data, so that the models stay the sample. `image` has the mean of the competition's epsilon, its
    forgetting quality, and the share of images whose bound, each at `confidence` by itself, is above 0 (at most
    1 - confidence of them where nothing is left to find). `person` has the same share over people and the `worst`
    people, their bounds at 1 - (1 - confidence) / people, so that all hold together. `request` has one bound; people
    forgotten too much cancel others forgotten too little in it.
    """
    unlearned, retrained = check_ensembles(unlearned, retrained)
    if np.shape(subjects) != unlearned.shape[1:]:
        raise InputError(f"subjects {np.shape(subjects)} do not fit {unlearned.shape[1]} images: give one subject an image")
    people, person = np.unique(np.asarray(subjects), return_inverse=True)
    sizes = len(unlearned), len(retrained)
    sides = [_person_means(scores, person, len(people)) for scores in (unlearned, retrained)]
    estimates = epsilon_estimates(unlearned, retrained, delta=delta, cuts=cuts)
    together = 1 - (1 - confidence) / len(people)
    worst = lower_bounds(*sides, seed=seed, confidence=together, delta=delta)
    alone = lower_bounds(*sides, seed=seed, confidence=confidence, delta=delta)
    images = lower_bounds(unlearned, retrained, seed=seed, confidence=confidence, delta=delta)
    request = lower_bounds(
        *(side.mean(axis=1, keepdims=True) for side in sides), seed=seed, confidence=confidence, delta=delta
    )
    largest = largest_bound(*sizes, confidence=confidence, delta=delta)
    return {
        "models": {"unlearned": sizes[0], "retrained": sizes[1]},
        "confidence": confidence,
        "delta": delta,
        "image": {
            "images": len(estimates),
            "cuts": cuts,
            "estimate_mean": float(estimates.mean()),
            "estimate_largest_measurable": largest_estimate(min(sizes)),
            "forgetting_quality": forgetting_quality(estimates, min(sizes)),
            "bound_above_zero": float((images > 0).mean()),
            "largest_measurable": largest,
        },
        "person": {
            "people": len(people),
            "bound_above_zero": float((alone > 0).mean()),
            "worst": [
                {"subject": str(people[index]), "bound": float(worst[index])}
                for index in np.argsort(-worst, kind="stable")[:WORST]
                if worst[index] > 0
            ],
            "largest_measurable": largest_bound(*sizes, confidence=together, delta=delta),
        },
        "request": {"bound": float(request[0]), "largest_measurable": largest},
    }


def _person_means(scores: np.ndarray, person: np.ndarray, people: int) -> np.ndarray:
    """Mean score of every person's images. Shape: (N, M) to (N, P)."""
    share = np.zeros((scores.shape[1], people))
    share[np.arange(scores.shape[1]), person.reshape(-1)] = 1
    return scores @ (share / share.sum(axis=0))
