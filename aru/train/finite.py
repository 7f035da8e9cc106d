"""A loss that is not finite ends the work: one check for all of it."""

import torch

from aru.core.errors import TrainingError

DIVERGED = ": its training diverged, train it again with a lower train.lr"
"""The remedy where a trained model's own answers are not finite."""


def require_finite(loss: torch.Tensor, what: str, remedy: str) -> None:
    """Raise TrainingError, "`what` is VALUE`remedy`", unless the scalar is finite. On a GPU this waits for the value."""
    if not torch.isfinite(loss):
        raise TrainingError(f"{what} is {loss.item()}{remedy}")
