"""Losses, gradients and weights that are not finite end the work: one check for all of it."""

from collections.abc import Mapping

import torch

from aru.core.errors import TrainingError

DIVERGED = ": its training diverged, train it again with a lower train.lr"
"""The remedy where a trained model's own answers are not finite."""


def first_not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The name of the first tensor that holds an infinity or NaN."""
    return next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)


def require_finite(loss: torch.Tensor, what: str, remedy: str) -> None:
    """Raise TrainingError, "`what` is VALUE`remedy`", unless the scalar is finite. On a GPU this waits for the value."""
    if not torch.isfinite(loss):
        raise TrainingError(f"{what} is {loss.item()}{remedy}")
