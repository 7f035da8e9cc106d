"""A loss that is not finite ends the work: one check for all of it."""

from collections.abc import Callable

import torch

from aru.compute.transfer import Reading
from aru.core.errors import TrainingError

DIVERGED = ": its training diverged, train it again with a lower train.lr"
"""The remedy where a trained model's own answers are not finite."""

_EVERY = 20  # steps between looks at the loss


def require_finite(loss: torch.Tensor, what: str, remedy: str) -> None:
    """Raise TrainingError, "`what` is VALUE`remedy`", unless the scalar is finite. On a GPU this waits for the value."""
    if not torch.isfinite(loss):
        raise TrainingError(f"{what} is {loss.item()}{remedy}")


class LossWatch:
    """Looks at the sum of the losses every 20 steps; on a GPU at a copy, when it has arrived, so that no step waits for it.

    A sum that is not finite stays so: a look that comes late misses nothing.
    """

    def __init__(self, what: str, remedy: Callable[[int], str]) -> None:
        """`what` and `remedy` of a step, counted from 1, are the message's."""
        self._what, self._remedy = what, remedy
        self._begun: tuple[Reading, int] | None = None

    def step(self, total: torch.Tensor, number: int) -> None:
        """After step `number`. Raises TrainingError as `require_finite` does, for the step that was looked at."""
        if number % _EVERY == 0:
            self._settle()  # of 20 steps ago: also a GPU that is far behind is done with it
            self._begun = Reading(total), number
        if self._begun and self._begun[0].arrived():
            self._settle()

    def last(self, total: torch.Tensor, number: int) -> None:
        """After the last step; waits for its value."""
        self._settle()
        require_finite(total, self._what, self._remedy(number))

    def _settle(self) -> None:
        if self._begun:
            reading, number = self._begun
            self._begun = None
            require_finite(reading.values()[0], self._what, self._remedy(number))
