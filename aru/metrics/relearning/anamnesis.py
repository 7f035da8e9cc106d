"""The anamnesis index: an unlearned model's time to relearn, over the retrained model's.

Source: Chundawat et al. 2023 (doi 10.1109/TIFS.2023.3265506); epsilon as in the repository aiim-research/ERASURE, whose
default margin, 5 % of the original's accuracy, is `relearning`'s too. There time is counted in epochs, here in steps, so
that small forget sets can be distinguished.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

EPSILON = 0.01
Bound = Literal["exact", "at least", "at most", "unknown"]
_BOUNDS: dict[tuple[bool, bool], Bound] = {  # (unlearned, retrained) reached the threshold
    (True, True): "exact",
    (False, True): "at least",
    (True, False): "at most",
    (False, False): "unknown",
}


@dataclass(frozen=True)
class RelearnTime:
    """Steps until the accuracy was back at one of the measured steps; where it never was, the limit and `reached` False."""

    steps: int
    reached: bool

    def __str__(self) -> str:
        return str(self.steps) if self.reached else f">= {self.steps}"


@dataclass(frozen=True)
class AnamnesisIndex:
    """AIN: about 1 where the unlearned model relearns as the retrained one does, near 0 where it still knows.

    A time that was cut off at the limit makes the value a bound; `unknown` where both were.
    """

    value: float
    bound: Bound


def relearn_time(accuracies: Sequence[float], measured: Sequence[int], threshold: float) -> RelearnTime:
    """The first of the measured steps at which the accuracy is `threshold` or more."""
    back = [step for step, accuracy in zip(measured, accuracies, strict=True) if accuracy >= threshold]
    return RelearnTime(back[0], True) if back else RelearnTime(measured[-1], False)


def anamnesis_index(unlearned: RelearnTime, retrained: RelearnTime) -> AnamnesisIndex:
    """(rt_U + e) / (rt_R + e), e = 0.01, and whether it is exact or a bound."""
    return AnamnesisIndex(
        (unlearned.steps + EPSILON) / (retrained.steps + EPSILON), _BOUNDS[unlearned.reached, retrained.reached]
    )
