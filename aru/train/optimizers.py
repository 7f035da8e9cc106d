"""The optimizer that a configuration names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch


class OptimizerConfig(Protocol):
    """Parameters of an optimizer; `momentum` is SGD's alone. The spelling of `optimiser` is that of params.yaml."""

    @property
    def optimiser(self) -> str:
        """Either ``"sgd"``, ``"adam"`` or ``"adamw"``."""

    @property
    def lr(self) -> float:
        """The learning rate."""

    @property
    def momentum(self) -> float:
        """From 0 to 1."""

    @property
    def weight_decay(self) -> float:
        """0 is none."""


@dataclass(frozen=True)
class OptimizerOptions:
    """Parameters of an optimizer, for a method that has more than one."""

    lr: float
    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0


def make_optimizer(
    parameters: Iterable[torch.Tensor], config: OptimizerConfig, *, lr: float | None = None
) -> torch.optim.Optimizer:
    """The configured optimizer, with fresh state, over those of `parameters` that require a gradient.

    `lr` takes the place of the configuration's.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    rate = config.lr if lr is None else lr
    # One kernel for all weights, where these are on a GPU; elsewhere PyTorch's choice, whose bytes are known.
    fused = True if trained and all(parameter.device.type == "cuda" for parameter in trained) else None
    if config.optimiser == "adam":
        return torch.optim.Adam(trained, lr=rate, weight_decay=config.weight_decay, fused=fused)
    if config.optimiser == "adamw":
        return torch.optim.AdamW(trained, lr=rate, weight_decay=config.weight_decay, fused=fused)
    return torch.optim.SGD(trained, lr=rate, momentum=config.momentum, weight_decay=config.weight_decay, fused=fused)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr
