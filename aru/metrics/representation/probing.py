"""What the features before the classifier still tell: the labels of forgotten people, and who they are.

A model can answer wrongly and remember all the same: then another classifier on its features finds what its own one
hides. Two are fitted on part of the images and asked about the others: a logistic regression with a fixed penalty, on
standardised features (Alain & Bengio 2016, arXiv 1610.01644), and the nearest neighbours by cosine. The retrained model,
whose features never saw these people, gives the figure to compare with; `chance` is what the most frequent answer gives.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import numpy as np
import torch
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.seeds import draw_seed
from aru.data.images import ImageSet
from aru.metrics.membership.matched import strata_of
from aru.metrics.representation.activations import penultimate
from aru.stats.intervals import Share
from aru.stats.shares import RESAMPLES, shares

LABEL_FOLDS = 5
LABEL_NEIGHBOURS = 5
LEAST_PHOTOS = 3
"""A person with fewer photos is left out of the probe for identity; it is the number of its folds, too."""
PENALTY = 1.0
ITERATIONS = 1000
MakeProbe = Callable[[int], Any]
"""A classifier of scikit-learn, which has no types, for a number of images to fit it on."""


class Probe(TypedDict):
    """What two probes find on each model's features, what the most frequent answer finds, and on how many they were asked."""

    linear: dict[str, Share]
    neighbours: dict[str, Share]
    chance: float
    people: int
    images: int


class Probes(TypedDict):
    """The probe for the labels of people, and the one for who they are."""

    label: Probe
    identity: Probe


def probing(
    models: Mapping[str, nn.Module],
    data: ImageSet,
    *,
    subjects: np.ndarray,
    photos: np.ndarray | None = None,
    compute: Compute,
    seed: int,
    resamples: int = RESAMPLES,
) -> Probes:
    """Both probes on the images `data` (the forget set): `label` and `identity`; the models are left as they were.

    Shape: subjects (M,), the person of every image; photos (M,), which images are copies of one photo, or None where
    each is its own. For the results see `probe_label` and `probe_identity`, which raise InputError.
    """
    features = {name: penultimate(model, data, compute=compute) for name, model in models.items()}
    photos = np.arange(len(data)) if photos is None else photos
    return {
        "label": probe_label(features, data.targets, subjects, seed=seed, resamples=resamples),
        "identity": probe_identity(features, subjects, photos, seed=seed, resamples=resamples),
    }


def probe_label(
    features: Mapping[str, torch.Tensor],
    targets: torch.Tensor,
    subjects: np.ndarray,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Probe:
    """How well the labels of people are found by a probe that was fitted on other people's images.

    Five folds of whole people (fewer where there are fewer people). Result: `linear` and `neighbours`, each model ->
    share right with interval and gap (`aru.stats.shares`); `chance`, `people`, `images`.

    Shape: features[model] (M, K); targets (M,), or (M, L) where the combination of labels is the class; subjects (M,).
    """
    people, classes = len(np.unique(subjects)), strata_of(targets)
    if people < 2 or len(np.unique(classes)) < 2:
        raise InputError(
            f"{people} people with {len(np.unique(classes))} classes: a probe for the label needs two of each; "
            "forget more people in one request"
        )
    folds = _deal(subjects, np.zeros(len(subjects)), min(LABEL_FOLDS, people), seed=seed)
    return _probe(features, classes, folds, subjects, neighbours=LABEL_NEIGHBOURS, seed=seed, resamples=resamples)


def probe_identity(
    features: Mapping[str, torch.Tensor],
    subjects: np.ndarray,
    photos: np.ndarray,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Probe:
    """How well a person is distinguished from the other forgotten ones by a probe that was fitted on their other photos.

    Three folds: each person's photos, copies together, are dealt out to all three. People with fewer than three photos
    are left out. Result and shapes as `probe_label`; the neighbour is one.
    """
    pairs = np.unique(np.stack([np.unique(names, return_inverse=True)[1].reshape(-1) for names in (subjects, photos)]), axis=1)
    named, number = np.unique(subjects, return_inverse=True)
    kept = np.flatnonzero(np.bincount(pairs[0], minlength=len(named))[number.reshape(-1)] >= LEAST_PHOTOS)
    people = len(np.unique(subjects[kept]))
    if people < 2:
        raise InputError(
            f"{people} people have {LEAST_PHOTOS} photos or more: a probe for identity needs two such people; "
            "forget more people in one request"
        )
    chosen = {name: feature[torch.from_numpy(kept)] for name, feature in features.items()}
    folds = _deal(photos[kept], subjects[kept], LEAST_PHOTOS, seed=seed)
    return _probe(chosen, subjects[kept], folds, subjects[kept], neighbours=1, seed=seed, resamples=resamples)


def _deal(units: np.ndarray, strata: np.ndarray, folds: int, *, seed: int) -> np.ndarray:
    """Fold of every image: the units of each stratum are shuffled and dealt out in turn. Shape: all (M,)."""
    rng, fold = np.random.default_rng(draw_seed(seed, "probing")), np.empty(len(units), dtype=np.int64)
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        names, number = np.unique(units[inside], return_inverse=True)
        fold[inside] = rng.permutation(len(names))[number.reshape(-1)] % folds
    return fold


def _probe(
    features: Mapping[str, torch.Tensor],
    classes: np.ndarray,
    folds: np.ndarray,
    subjects: np.ndarray,
    *,
    neighbours: int,
    seed: int,
    resamples: int,
) -> Probe:
    def shares_right(make: MakeProbe) -> dict[str, Share]:
        right = {name: _held_out(make, feature.double().numpy(), classes, folds) for name, feature in features.items()}
        return shares(right, subjects, seed=seed, resamples=resamples)

    guessed = _held_out(lambda _: DummyClassifier(), np.zeros((len(classes), 1)), classes, folds)
    return {
        "linear": shares_right(lambda _: make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=ITERATIONS))),
        "neighbours": shares_right(lambda count: KNeighborsClassifier(min(neighbours, count), metric="cosine")),
        "chance": float(guessed.mean()),
        "people": len(np.unique(subjects)),
        "images": len(classes),
    }


def _held_out(make: MakeProbe, features: np.ndarray, classes: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Whether each image's class is found by the probe that was fitted on the other folds. Shape: (M,) bool."""
    found = np.empty(len(classes), dtype=bool)
    for fold in np.unique(folds):
        held = folds == fold
        # One class alone leaves nothing to separate (and scikit-learn refuses it): then that class is the answer.
        probe = make(int((~held).sum())) if len(np.unique(classes[~held])) > 1 else DummyClassifier()
        found[held] = probe.fit(features[~held], classes[~held]).predict(features[held]) == classes[held]
    return found
