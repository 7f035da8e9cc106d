"""Modes of a model: training and evaluation, saved and restored, and that all of it is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

Model = TypeVar("Model", bound=nn.Module)


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


def all_trained(model: Model) -> Model:
    """Let every parameter of the model require a gradient, whole numbers excepted, which have none; returns the model."""
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point() or parameter.is_complex())
    return model


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that require a gradient, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
