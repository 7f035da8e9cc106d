"""Whether models come out of an evaluation as they went in."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from aru.nets.models import state_tensors


@contextmanager
def untouched(*models: nn.Module) -> Iterator[None]:
    """Compare bytes of weights and buffers, modes, gradients and hooks before and after; modes are mixed beforehand."""
    for model in models:
        model.train()
        for module in list(model.modules())[1::2]:
            module.training = False
    before = [state(model) for model in models]
    yield
    assert [state(model) for model in models] == before


def state(model: nn.Module) -> tuple:
    """Everything about a model that an evaluation has no business with."""
    digests = {
        name: hashlib.sha256(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
        for name, tensor in state_tensors(model).items()
    }
    modes = {name: module.training for name, module in model.named_modules()}
    momenta = {name: module.momentum for name, module in model.named_modules() if hasattr(module, "momentum")}
    gradients = {name: (parameter.requires_grad, parameter.grad is None) for name, parameter in model.named_parameters()}
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    return digests, modes, momenta, gradients, hooks
