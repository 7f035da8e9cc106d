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
NOTHING_TO_COMPARE = MatchedFigures(float("nan"), float("nan"), float("nan"))


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
        weighed = self._weigh(forget_weights, unseen_weights)
        if weighed is None:
            return NOTHING_TO_COMPARE
        auc = (weighed.class_mass * weighed.unseen * (weighed.below_forget + weighed.forget / 2)).sum()
        found, accused = weighed.at_median()
        rates = weighed.roc()
        tpr = rates[1][rates[0] <= FALSE_POSITIVE_RATE + ROUNDING].max()
        return MatchedFigures(float(auc), (found + 1 - accused) / 2, float(tpr))

    def roc(self) -> tuple[np.ndarray, np.ndarray]:
        """False and true positive rates from (0, 0) to (1, 1), by the rank within the class."""
        weighed = self._weigh(None, None)
        if weighed is None:
            raise InputError("no class has both forget and unseen images")
        return weighed.roc()

    def _weigh(self, forget_weights: np.ndarray | None, unseen_weights: np.ndarray | None) -> "_Weighed | None":
        forget, share = self._masses(self._forget_tie, forget_weights)
        unseen, other = self._masses(self._unseen_tie, unseen_weights)
        share = np.where(other > 0, share, 0.0)
        if share.sum() <= 0:
            return None
        class_mass = np.repeat(share / share.sum(), self._sizes)
        return _Weighed(class_mass, forget, unseen, self._below(forget), self._below(unseen))

    def _masses(self, tie: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Mass of every tie within its class (summing to 1 there), and the classes' masses."""
        mass = np.bincount(tie, weights=weights, minlength=int(self._sizes.sum())).astype(np.float64)
        total = np.add.reduceat(mass, self._starts)
        weight = np.repeat(total, self._sizes)
        return np.divide(mass, weight, out=np.zeros_like(mass), where=weight > 0), total

    def _below(self, mass: np.ndarray) -> np.ndarray:
        """Mass of the lower losses of the same class."""
        before = np.cumsum(mass) - mass
        return before - np.repeat(before[self._starts], self._sizes)


@dataclass(frozen=True)
class _Weighed:
    """Every distinct (class, loss), sorted: share of the class; mass here and below, 1 a class and side."""

    class_mass: np.ndarray
    forget: np.ndarray
    unseen: np.ndarray
    below_forget: np.ndarray
    below_unseen: np.ndarray

    def at_median(self) -> tuple[float, float]:
        """Shares of forget and unseen below their class's median loss; a tie on the median is divided."""
        both = self.forget + self.unseen
        rest = 1 - self.below_forget - self.below_unseen
        part = np.clip(np.divide(rest, both, out=np.zeros_like(both), where=both > 0), 0, 1)
        found, accused = ((self.class_mass * side * part).sum() for side in (self.forget, self.unseen))
        return float(found), float(accused)

    def roc(self) -> tuple[np.ndarray, np.ndarray]:
        """False and true positive rates over all thresholds on the rank within the class."""
        rank = self.below_forget + self.below_unseen + (self.forget + self.unseen) / 2
        order = np.argsort(rank, kind="stable")
        last = np.append(np.diff(rank[order]) > ROUNDING, True)  # a threshold parts different ranks only
        rates = [np.cumsum((self.class_mass * side)[order])[last] for side in (self.unseen, self.forget)]
        return np.append(0.0, rates[0]), np.append(0.0, rates[1])
