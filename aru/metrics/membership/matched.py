"""The loss attack, matched by class: a forget image is compared with unseen images of its own class only.

The benchmark's attack is fooled by labels: where forget and unseen hold classes in other shares, the class's
typical loss gives membership away although the model remembers nobody. Here every class is a stratum. Within
it both sides are given the same mass, the share of the class among the forget images, so that the label alone
tells nothing.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from aru.core.errors import InputError

FALSE_POSITIVE_RATE = 0.01
ROUNDING = 1e-9
_AT_ONCE = 1 << 18  # masses held of one side: 2 MiB


@dataclass(frozen=True)
class MatchedFigures:
    """What one attack finds.

    auc: chance that a forget image has the lower loss than an unseen one of its class, ties half.
    balanced_accuracy: of the threshold at the class's median loss (both sides weighing the same), which is
    not chosen by its success, so that it is 0.5 on average where there is nothing to find. tpr_at_1pct_fpr:
    share of forget images found where 1 % of unseen images, weighted to the forget images' classes, are
    wrongly accused.
    """

    auc: float
    balanced_accuracy: float
    tpr_at_1pct_fpr: float


FIGURES = tuple(field.name for field in fields(MatchedFigures))


def strata_of(targets: torch.Tensor) -> np.ndarray:
    """Class of every image, (M,) int64; for multi-label targets the number of the combination of labels."""
    values = targets.cpu().numpy()
    if values.ndim == 1:
        return values.astype(np.int64)
    return (values > 0.5).astype(np.int64) @ (1 << np.arange(values.shape[1], dtype=np.int64))


def matched_auc(
    forget_losses: np.ndarray, forget_strata: np.ndarray, unseen_losses: np.ndarray, unseen_strata: np.ndarray
) -> float:
    """The AUC of `MatchedAttack` alone, every image counting once; NaN where no class is on both sides.

    For those who ask often of few images: nothing is sorted beyond them.
    """
    won, images = 0.0, 0
    for stratum in np.unique(forget_strata):
        losses, others = forget_losses[forget_strata == stratum], np.sort(unseen_losses[unseen_strata == stratum])
        if len(others):
            above = 2 * len(others) - sum(np.searchsorted(others, losses, side=side) for side in ("left", "right"))
            won += float(above.sum()) / (2 * len(others))
            images += len(losses)
    return won / images if images else float("nan")


class MatchedAttack:
    """The attack on one model's losses, sorted once and then weighed as often as the bootstrap asks for.

    Shape: losses (F,) and (U,), strata (F,) and (U,) integers. Raises InputError where no class is on both
    sides.
    """

    def __init__(
        self,
        forget_losses: np.ndarray,
        forget_strata: np.ndarray,
        unseen_losses: np.ndarray,
        unseen_strata: np.ndarray,
    ) -> None:
        if not np.intersect1d(forget_strata, unseen_strata).size:
            raise InputError(
                "no class has both forget and unseen images: nothing can be compared within a class; choose "
                "unseen images of the forget images' classes"
            )
        pairs = np.column_stack(
            (
                np.concatenate((forget_strata, unseen_strata)).astype(np.float64),
                np.concatenate((forget_losses, unseen_losses)).astype(np.float64),
            )
        )
        ties, inverse = np.unique(pairs, axis=0, return_inverse=True)  # sorted by class, then by loss
        self._forget_tie, self._unseen_tie = np.split(inverse.reshape(-1), [len(forget_losses)])
        self._starts = np.flatnonzero(np.diff(ties[:, 0], prepend=np.nan) != 0)
        self._sizes = np.diff(self._starts, append=len(ties))

    def figures(self, forget_weights: np.ndarray | None = None, unseen_weights: np.ndarray | None = None) -> MatchedFigures:
        """The figures, every image counting once, or as often as its weight says.

        Shape: (F,) and (U,), not negative. Classes on one side only are left out; all figures are NaN where
        none is left.
        """
        sides = ((self._forget_tie, forget_weights), (self._unseen_tie, unseen_weights))
        found = self.resampled(*(np.ones((1, len(tie))) if given is None else given[None] for tie, given in sides))
        return MatchedFigures(**{key: float(values[0]) for key, values in found.items()})

    def resampled(self, forget_weights: np.ndarray, unseen_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Name of a figure -> its values (R,), as `figures` gives them for each row of the weights (R, F) and (R, U)."""
        rows = max(1, _AT_ONCE // int(self._sizes.sum()))
        parts = [
            self._weigh(forget_weights[first : first + rows], unseen_weights[first : first + rows]).figures()
            for first in range(0, len(forget_weights), rows)
        ]
        return {key: np.concatenate([np.empty(0), *(part[key] for part in parts)]) for key in FIGURES}

    def roc(self) -> tuple[np.ndarray, np.ndarray]:
        """False and true positive rates from (0, 0) to (1, 1), by the rank within the class."""
        weighed = self._weigh(*(np.ones((1, len(tie))) for tie in (self._forget_tie, self._unseen_tie)))
        last, *rates = (values[0] for values in weighed.thresholds())
        accused, found = (np.append(0.0, rate[last]) for rate in rates)
        return accused, found

    def _weigh(self, forget_weights: np.ndarray, unseen_weights: np.ndarray) -> "_Weighed":
        forget, share = self._masses(self._forget_tie, forget_weights)
        unseen, other = self._masses(self._unseen_tie, unseen_weights)
        share = np.where(other > 0, share, 0.0)
        total = share.sum(axis=1, keepdims=True)
        compared = total > 0
        class_share = np.divide(share, total, out=np.zeros_like(share), where=compared)
        class_mass = np.repeat(class_share, self._sizes, axis=1)
        return _Weighed(compared[:, 0], class_mass, forget, unseen, self._below(forget), self._below(unseen))

    def _masses(self, tie: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mass of every tie within its class (summing to 1 there), and the classes' masses: (R, T) and (R, C)."""
        rows, ties = len(weights), int(self._sizes.sum())
        places = np.arange(rows)[:, None] * ties + tie
        mass = np.bincount(places.reshape(-1), weights=weights.reshape(-1), minlength=rows * ties).reshape(rows, ties)
        total = np.add.reduceat(mass, self._starts, axis=1)
        weight = np.repeat(total, self._sizes, axis=1)
        return np.divide(mass, weight, out=np.zeros_like(mass), where=weight > 0), total

    def _below(self, mass: np.ndarray) -> np.ndarray:
        """Mass of the lower losses of the same class."""
        before = np.cumsum(mass, axis=1) - mass
        return before - np.repeat(before[:, self._starts], self._sizes, axis=1)


@dataclass(frozen=True)
class _Weighed:
    """Every distinct (class, loss), sorted, in every resample: share of the class; mass here and below, 1 a class and side.

    Shape: compared (R,), whether a class is on both sides; all else (R, T).
    """

    compared: np.ndarray
    class_mass: np.ndarray
    forget: np.ndarray
    unseen: np.ndarray
    below_forget: np.ndarray
    below_unseen: np.ndarray

    def figures(self) -> dict[str, np.ndarray]:
        """Name of a figure -> its values (R,); NaN where nothing is compared."""
        auc = (self.class_mass * self.unseen * (self.below_forget + self.forget / 2)).sum(axis=1)
        found, accused = self.at_median()
        last, accused_above, found_above = self.thresholds()
        allowed = last & (accused_above <= FALSE_POSITIVE_RATE + ROUNDING)
        tpr = np.where(allowed, found_above, 0.0).max(axis=1)
        values = dict(zip(FIGURES, (auc, (found + 1 - accused) / 2, tpr), strict=True))
        return {key: np.where(self.compared, value, np.nan) for key, value in values.items()}

    def at_median(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares (R,) of forget and unseen below their class's median loss; a tie on the median is divided."""
        both = self.forget + self.unseen
        rest = 1 - self.below_forget - self.below_unseen
        part = np.clip(np.divide(rest, both, out=np.zeros_like(both), where=both > 0), 0, 1)
        found, accused = ((self.class_mass * side * part).sum(axis=1) for side in (self.forget, self.unseen))
        return found, accused

    def thresholds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """By the rank within the class: whether a threshold lies there, and the false and true positive rates up to it."""
        rank = self.below_forget + self.below_unseen + (self.forget + self.unseen) / 2
        order = np.argsort(rank, axis=1, kind="stable")
        apart = np.diff(np.take_along_axis(rank, order, axis=1), axis=1) > ROUNDING  # a threshold parts different ranks only
        last = np.column_stack((apart, np.ones(len(rank), dtype=bool)))
        accused, found = (
            np.cumsum(np.take_along_axis(self.class_mass * side, order, axis=1), axis=1) for side in (self.unseen, self.forget)
        )
        return last, accused, found
