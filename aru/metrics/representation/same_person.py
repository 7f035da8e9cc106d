"""Whether the features before the classifier tell that two photos show one person: verification, as a face recogniser's.

A probe needs photos with names to learn from; whoever holds two photos needs none, and compares the features by their cosine.
Pairs of one person are held to pairs of two people. A retrained model's features tell people apart as well, whom they never
saw, so that identity which remained shows in the difference to it.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.names import RETRAINED
from aru.core.seeds import draw_seed
from aru.data.images import ImageSet
from aru.metrics.reported_figures import Verification, Verified
from aru.metrics.representation.activations import penultimate
from aru.stats.intervals import draw_counts, interval

BINS = 256
"""Steps of the ROC, at quantiles of all pairs' similarities."""
PEOPLE = 100
"""At most; of more some are drawn: pairs of people grow by their square."""
LEAST_PEOPLE = 3
FALSE_MATCHES = 0.01


def verification(
    models: Mapping[str, nn.Module],
    data: ImageSet,
    *,
    subjects: np.ndarray,
    photos: np.ndarray,
    compute: Compute,
    seed: int,
    resamples: int,
) -> Verification:
    """Verification by each model's features on the images of a set; the models are left as they were.

    Shape: subjects (M,), the person of each image; photos (M,), which images are copies of one photo: such pairs are no test
    and are left out. Raises InputError where fewer than three people, or nobody with two photos, are there.
    """
    features = {name: penultimate(model, data, compute=compute) for name, model in models.items()}
    return verify(features, subjects, photos, seed=seed, resamples=resamples)


def verify(
    features: Mapping[str, torch.Tensor], subjects: np.ndarray, photos: np.ndarray, *, seed: int, resamples: int
) -> Verification:
    """The same of features (M, K) by model."""
    ids, person = np.unique(subjects, return_inverse=True)
    if len(ids) > PEOPLE:
        drawn = np.random.default_rng(draw_seed(seed, "same person")).permutation(len(ids))[:PEOPLE]
        kept = np.flatnonzero(np.isin(person.reshape(-1), drawn))
        chosen = {name: feature[torch.from_numpy(kept)] for name, feature in features.items()}
        return verify(chosen, subjects[kept], photos[kept], seed=seed, resamples=resamples)
    person, copies = person.reshape(-1), np.unique(photos, return_inverse=True)[1].reshape(-1)
    one, other = np.triu_indices(len(person), 1)
    other_photo = copies[one] != copies[other]
    one, other = one[other_photo], other[other_photo]
    pairs = int((person[one] == person[other]).sum())
    if len(ids) < LEAST_PEOPLE or not pairs:
        raise InputError(
            f"{len(ids)} people with {pairs} pairs of photos of one person: verification needs {LEAST_PEOPLE} people, of whom "
            "somebody has two photos"
        )
    counts = draw_counts(len(ids), None, resamples=resamples, rng=np.random.default_rng(draw_seed(seed, "verification")))
    counts = np.vstack((np.ones(len(ids)), counts))
    curves = {name: _rates(_similarity(one_feature), one, other, person, counts) for name, one_feature in features.items()}
    found: dict[str, Verified] = {
        name: {
            "auc": float(auc[0]),
            "auc_interval": interval(auc[1:]),
            "found": float(rate[0]),
            "found_interval": interval(rate[1:]),
        }
        for name, (auc, rate) in curves.items()
    }
    for name in curves.keys() - {RETRAINED} if RETRAINED in curves else ():
        gap = curves[name][0] - curves[RETRAINED][0]
        found[name] |= {"gap": float(gap[0]), "gap_interval": interval(gap[1:])}
    return {"models": found, "people": len(ids), "pairs": pairs}


def _similarity(features: torch.Tensor) -> np.ndarray:
    """Cosines of all pairs, from the features' mean: what is common to all photos tells nobody apart. Shape: (M, M)."""
    unit = F.normalize(features.double() - features.double().mean(dim=0), dim=1)
    return (unit @ unit.T).numpy()


def _rates(
    similarity: np.ndarray, one: np.ndarray, other: np.ndarray, person: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUC, and the share found at the rate of false matches, under each row of how often people are drawn. Shape: (R,) each.

    A pair of one person counts as often as the person is drawn; one of two people as often as both together. NaN where a
    resample has no pair of one kind.
    """
    values = similarity[one, other]
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    step, size, people = np.searchsorted(cuts, values, side="right"), len(cuts) + 1, counts.shape[1]
    same = person[one] == person[other]
    own = np.bincount(person[one][same] * size + step[same], minlength=people * size).reshape(people, size)
    places = (person[one][~same] * people + person[other][~same]) * size + step[~same]
    crossed = np.bincount(places, minlength=people * people * size).reshape(people, -1).astype(np.float64)
    found = counts @ own
    false = np.stack([row @ (row @ crossed).reshape(people, size) for row in counts])
    with np.errstate(invalid="ignore"):
        found, false = (side / side.sum(axis=1, keepdims=True) for side in (found, false))
    below = false.cumsum(axis=1) - false
    auc = (found * (below + false / 2)).sum(axis=1)
    above = false[:, ::-1].cumsum(axis=1)[:, ::-1]  # share of false matches where a step and all above it are taken for one
    rate = np.where(above <= FALSE_MATCHES, found, 0.0).sum(axis=1)
    return auc, np.where(np.isnan(auc), np.nan, rate)
