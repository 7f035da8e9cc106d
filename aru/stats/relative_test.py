"""A relative test of three samples: is a model nearer to retrained models than to the original, on the people it forgot?

A two-sample test asks whether a model answers as one certain retrained model does. It rejects exact retraining as well:
two trainings differ, in their seed if in nothing else, and enough photos show it. The relative test asks which of two
references is nearer (Ribero, Schrab and Gretton 2026, arXiv 2601.19755). Here the p-value is exact, by permutation: if the
original were to the model what a retrained one is, then each person's photos could have been answered by any of them as by
any other, so the references trade places person by person. It is exact where models that were trained alike differ on one
person independently of how they differ on another; people on whom they differ alike, as on a family, are to be one unit.

What is compared is a model's membership curve: how the ranks of its figure (a loss, say) are distributed over the
forgotten people's photos, minus the same over unseen people's. Ranks are within the model, and unseen people trade places
as well, so that a model which is surer as a whole is not taken for one that knows more of the forgotten people. Whoever has
photos on both sides trades them all at once: where people are the classes, the ranks of one side settle those of the other.
Several figures are on one scale, that of ranks, and count by how far their curves lie apart: the test and the place then
speak of one distance, and a figure by which the original hardly differs decides little.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aru.core.errors import InputError
from aru.stats.intervals import draw_counts, interval
from aru.stats.stand_ins import LEAST_PEOPLE

STEPS = 32
"""Places at which two curves are compared."""
PERMUTATIONS = 9_999
"""Drawn at most; with fewer possible ones all are gone through."""
ROUNDING = 1e-9
DECIMALS = 12
"""Of a statistic, so that the last bits of a sum decide nothing where the references are one."""
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Ranks:
    """One figure's ranks in [0, 1], each within its own model. Shape: audited and original (M,), retrained (K, M), K >= 1."""

    audited: np.ndarray
    original: np.ndarray
    retrained: np.ndarray


@dataclass(frozen=True)
class Nearness:
    """Where a model stands between its references, and whether that is chance.

    position: 0 at the retrained models' mean curve, 1 at the original's, along the line between them; None where the two are
    one. interval: its 95 % interval over people; None for fewer than five people a side. p_retrained: chance to be so near to
    the retrained models, or nearer, if the original were one of them; p_original: so near to the original.
    """

    position: float | None
    interval: list[float] | None
    p_retrained: float
    p_original: float


@dataclass(frozen=True)
class RelativeTest:
    """By figure, and of all figures together; complete: whether every permutation was gone through, else so many drawn."""

    overall: Nearness
    figures: dict[str, Nearness]
    permutations: int
    complete: bool


def relative_test(
    figures: Mapping[str, Ranks],
    person: np.ndarray,
    forgotten: np.ndarray,
    *,
    seed: int,
    resamples: int = 1_000,
    permutations: int = PERMUTATIONS,
) -> RelativeTest:
    """Test every figure, and all of them together by the sum of their statistics under the same permutations.

    Shape: person (M,), the person of each photo, or whichever unit trades places at once; forgotten (M,) bool, whether the
    photo is of the forget set, else of the unseen one. A model like the retrained ones is called nearer to the original, at
    p_original <= a, in at most a share a of tests, where units are independent. Raises InputError where nobody is on one of
    the sides, or there is no figure.
    """
    if not figures or forgotten.all() or not forgotten.any():
        raise InputError("a relative test compares forgotten people with unseen ones: one of each and one figure are needed")
    people = _people(person, forgotten)
    models = 1 + len(next(iter(figures.values())).retrained)
    chosen, complete = _choices(models, int(people.subject.max()) + 1, permutations, seed)
    chosen = chosen[:, people.subject]
    weights = people.weights(people.draws(resamples, seed))
    statistics, along, across = {}, {}, {}
    for name, ranks in figures.items():
        audited, *references = (people.curves(one) for one in (ranks.audited, ranks.original, *ranks.retrained))
        statistics[name] = _statistics(weights[0], audited, np.stack(references), chosen)
        along[name], across[name] = _projections(weights, audited, np.stack(references))
    together = np.sum(list(statistics.values()), axis=0)
    return RelativeTest(
        _nearness(together, np.sum(list(along.values()), axis=0), np.sum(list(across.values()), axis=0)),
        {name: _nearness(statistics[name], along[name], across[name]) for name in figures},
        len(chosen),
        complete,
    )


@dataclass(frozen=True)
class _People:
    """The person of each photo (M,), counted from 0; of each person whether forgotten, and the number of photos (P,).

    Someone with photos on both sides counts as two, who are one subject. Shape: subject (P,), counted from 0.
    """

    person: np.ndarray
    forgotten: np.ndarray
    photos: np.ndarray
    subject: np.ndarray

    def curves(self, ranks: np.ndarray) -> np.ndarray:
        """How many photos of each person rank at or below each step. Shape: ranks (M,); result (P, STEPS)."""
        steps = np.minimum((ranks * STEPS).astype(np.int64), STEPS - 1)
        size = len(self.photos) * STEPS
        found = np.bincount(self.person * STEPS + steps, minlength=size).astype(np.float64)
        return found.reshape(-1, STEPS).cumsum(axis=1)

    def draws(self, resamples: int, seed: int) -> np.ndarray:
        """How often each person counts: once, then in every resample; few people a side have none. Shape: (1 + R, P)."""
        if min(self.forgotten.sum(), (~self.forgotten).sum()) < LEAST_PEOPLE:
            return np.ones((1, len(self.photos)))
        counts = np.ones((1 + resamples, len(self.photos)))
        on_both = (np.bincount(self.subject) > 1)[self.subject]
        for number, group in ((0, self.forgotten & ~on_both), (1, ~self.forgotten & ~on_both), (3, on_both)):
            subjects, place = np.unique(self.subject[group], return_inverse=True)
            if len(subjects):
                rng = np.random.default_rng([seed, number])
                counts[1:, group] = draw_counts(len(subjects), None, resamples=resamples, rng=rng)[:, place.reshape(-1)]
        return counts

    def weights(self, counts: np.ndarray) -> np.ndarray:
        """What one photo of each person adds to the curve: 1 over its side's photos, less than 0 for unseen ones. (R, P)."""
        totals = [(counts[:, side] @ self.photos[side])[:, None] for side in (self.forgotten, ~self.forgotten)]
        return np.where(self.forgotten, counts / totals[0], -counts / totals[1])


def _people(person: np.ndarray, forgotten: np.ndarray) -> _People:
    keys, number = np.unique(np.stack([np.unique(person, return_inverse=True)[1], forgotten]), axis=1, return_inverse=True)
    number = number.reshape(-1)
    return _People(number, keys[1].astype(bool), np.bincount(number).astype(np.float64), keys[0])


def _choices(models: int, people: int, permutations: int, seed: int) -> tuple[np.ndarray, bool]:
    """Which reference is taken for the original, by permutation and person, as it is first; and whether these are all."""
    if models**people <= permutations + 1:
        return np.array(list(itertools.product(range(models), repeat=people))), True
    drawn = np.random.default_rng([seed, 2]).integers(0, models, (permutations, people), dtype=np.int16)
    return np.vstack((np.zeros((1, people), dtype=np.int16), drawn)), False


def _statistics(weights: np.ndarray, audited: np.ndarray, references: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Squared distance to the retrained models' mean curve minus that to the original's: above 0 the original is nearer.

    Shape: weights (P,), audited (P, STEPS), references (1 + K, P, STEPS), the original first; chosen (B, P); result (B,).
    """
    parts = references * weights[:, None]
    curve, everyone = weights @ audited, parts.sum(axis=(0, 1))
    flat, models = parts.reshape(-1, STEPS), len(parts)
    found = []
    for rows in np.array_split(chosen, max(1, len(chosen) // _AT_ONCE)):
        taken = (rows[:, None, :] == np.arange(models)[:, None]).reshape(len(rows), -1)
        original = taken.astype(np.float64) @ flat
        retrained = (everyone - original) / (models - 1)
        found.append(((curve - retrained) ** 2 - (curve - original) ** 2).sum(axis=1))
    return np.round(np.concatenate(found), DECIMALS)


def _projections(weights: np.ndarray, audited: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The model's way along the line from the retrained models to the original, and the line's length, both squared. (R,)."""
    original, *others = (weights @ one for one in references)
    retrained = np.mean(others, axis=0)
    line = original - retrained
    return ((weights @ audited - retrained) * line).sum(axis=1), (line**2).sum(axis=1)


def _nearness(statistics: np.ndarray, along: np.ndarray, across: np.ndarray) -> Nearness:
    """The observed statistic is the first."""
    slack = ROUNDING * (statistics.std() or 1.0)
    position = np.divide(along, across, out=np.full_like(along, np.nan), where=across > ROUNDING)
    return Nearness(
        None if np.isnan(position[0]) else float(position[0]),
        None if np.isnan(position[0]) else interval(position[1:]),
        p_retrained=float((statistics <= statistics[0] + slack).mean()),
        p_original=float((statistics >= statistics[0] - slack).mean()),
    )
