"""People who were forgotten earlier, held to unseen people once more: whether a later model knows them again."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from aru.audit.few_people import widened
from aru.audit.verdicts import Measurement, measured
from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.metrics.membership.matched import MatchedAttack, matched_auc, strata_of
from aru.metrics.resampling import draw_sets
from aru.metrics.utility import per_example_loss
from aru.stats.stand_ins import enough, null_of, shifted, stand_ins
from aru.train.loop import predict_placed


@dataclass(frozen=True)
class Known:
    """What a model gives away of some images by their losses: class-matched AUC, 0.5 is a guess; NaN where no class is on
    both sides. low, high: its 95 % interval over people; NaN where there are too few."""

    auc: float
    low: float
    high: float


class AgainstUnseen:
    """A model's losses on unseen images, to which those of others are held.

    people: whom each unseen image shows. Shape: (U,).
    """

    def __init__(
        self, model: nn.Module, unseen: ImageSet, people: np.ndarray, *, compute: Compute, resamples: int, seed: int
    ) -> None:
        self._placed, self._compute = compute.placed_copy(model).eval(), compute
        self._people, self._resamples, self._seed = people, resamples, seed
        self._losses, self._strata = self._of(unseen), strata_of(unseen.targets)

    def auc(self, images: ImageSet) -> float:
        """The class-matched AUC of these images alone, without an interval."""
        return matched_auc(self._of(images), strata_of(images.targets), self._losses, self._strata)

    def known(self, images: ImageSet, people: np.ndarray) -> Known:
        """The same with its interval over the people whom the images show, (M,): as in the audit of a batch, the bootstrap,
        widened for fewer than ten people, or unseen people in the place of few."""
        losses, strata = self._of(images), strata_of(images.targets)
        figure = matched_auc(losses, strata, self._losses, self._strata)
        try:
            if not enough(people, self._people):
                sets = stand_ins(people, self._people, seed=self._seed)
                found = shifted(figure, null_of(self._stand_in, sets), within=(0.0, 1.0)).interval
            else:
                fewer = min(len(np.unique(side)) for side in (people, self._people))
                drawn = widened(self._bootstrap(losses, strata, images.targets, people), fewer, (0.0, 1.0))
                assert isinstance(drawn, Measurement) and drawn.interval is not None
                found = drawn.interval
        except InputError:
            return Known(figure, float("nan"), float("nan"))
        return Known(figure, *found)

    def _bootstrap(self, losses: np.ndarray, strata: np.ndarray, targets: torch.Tensor, people: np.ndarray) -> Measurement:
        attack = MatchedAttack(losses, strata, self._losses, self._strata)
        draws = draw_sets(
            {"forget": targets, "unseen": torch.from_numpy(self._strata)},
            {"forget": people, "unseen": self._people},
            resamples=self._resamples,
            seed=self._seed,
        )
        counts = (np.vstack((np.ones(len(draws[role][0])), draws[role])) for role in ("forget", "unseen"))
        return measured(attack.resampled(*counts)["auc"])

    def _stand_in(self, standing: np.ndarray, others: np.ndarray) -> float:
        return matched_auc(self._losses[standing], self._strata[standing], self._losses[others], self._strata[others])

    def _of(self, images: ImageSet) -> np.ndarray:
        return per_example_loss(predict_placed(self._placed, images, compute=self._compute), images.targets)
