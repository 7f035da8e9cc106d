"""Training and evaluation mode of a model's modules, saved and restored."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def preserved_modes(model: nn.Module) -> Iterator[None]:
    """Give every module its own mode back when the block ends, also where the block raises."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training  # not train(): that would set the children, too


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for the length of a block; then every module has its own mode again."""
    with preserved_modes(model):
        model.eval()
        yield
