"""Who is most like an image, by the features that a model's classifier sees.

A classifier of ages or moods is no face recognition: it was not trained to tell people apart, and knows of them what helped
with its own task. So this is a list for a person to look through, and never an answer.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from aru.core.errors import InputError

SHRINKAGE = 0.1
"""The part of the identity in the scatter within people, whose estimate from few photos could not be inverted without it."""


@dataclass(frozen=True)
class Ranked:
    """A person, the cosine similarity of their most similar image in [-1, 1], and where in the gallery their images stand,
    the most similar first."""

    person: str
    similarity: float
    images: tuple[int, ...]


class Gallery:
    """The features of images of known people, against which other images are held.

    Features are compared by their cosine, from the gallery's mean and after whitening by the scatter within people (Hatch,
    Kajarekar & Stolcke 2006, within-class covariance normalization): what differs between photos of one person, such as light
    and pose, counts little. Where nobody has two different images there is no such scatter, and the cosine is the plain one.

    Shape:
        features: (N, K) float32; people: (N,), whose image each is. Raises InputError for none, and for other lengths.
    """

    def __init__(self, features: torch.Tensor, people: np.ndarray) -> None:
        if features.ndim != 2 or not len(features) or len(features) != len(people):
            raise InputError(
                f"features {tuple(features.shape)} of {len(people)} images: (N, K) with N of at least 1 is needed"
            )
        self._people = np.asarray(people, dtype=str)
        self._mean = features.mean(dim=0)
        self._whitening = _whitening(features - self._mean, self._people)
        self._images = self._placed(features)

    def rank(self, query: torch.Tensor) -> list[Ranked]:
        """The people, the one first whose most similar image is most like the query; ties in the order of the gallery.

        Shape: query (K,).
        """
        similarity = (self._images @ self._placed(query[None])[0]).clamp(-1, 1).double().numpy()
        places: dict[str, list[int]] = {}
        for place in np.argsort(-similarity, kind="stable"):
            places.setdefault(str(self._people[place]), []).append(int(place))
        return [Ranked(person, float(similarity[images[0]]), tuple(images)) for person, images in places.items()]

    def _placed(self, features: torch.Tensor) -> torch.Tensor:
        """As directions in the whitened space; the mean itself stays zero, and is like nobody."""
        return normalize((features.float() - self._mean) @ self._whitening, dim=1)


def _whitening(centered: torch.Tensor, people: np.ndarray) -> torch.Tensor:
    """The matrix (K, K) under which photos of one person scatter evenly in all directions."""
    names, number = np.unique(people, return_inverse=True)
    index, count = torch.from_numpy(number.reshape(-1)), torch.from_numpy(np.bincount(number.reshape(-1)))
    means = torch.zeros(len(names), centered.shape[1]).index_add_(0, index, centered) / count[:, None]
    within = centered - means[index]
    scatter = (within.T @ within).double() / len(centered)
    size = scatter.trace() / len(scatter)
    if not size > 1e-12 * centered.double().square().mean():
        return torch.eye(len(scatter))
    even = (1 - SHRINKAGE) * scatter + SHRINKAGE * size * torch.eye(len(scatter), dtype=torch.float64)
    return torch.linalg.cholesky(torch.linalg.inv(even)).float()
