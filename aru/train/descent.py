"""The one loop of the methods whose steps `aru.train.loop.fit` cannot express: a method yields losses, this descends them."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Section
from aru.core.errors import TrainingError
from aru.core.progress import Progress
from aru.train.loop import Loss

_CHECK_EVERY = 20  # steps between looks at the loss, which on a GPU wait for it


class StepConfig(Section):
    """Parameters of the gradient steps that a method takes."""

    batch_size: int = Field(64, ge=2, le=8192)
    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = Field(0.01, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd only")
    weight_decay: float = Field(0.0, ge=0)
    augment: bool = Field(True, description="MUFAC's flips, affine maps and colour jitter")
    batchnorm: Literal["train", "eval"] = Field("train", description="BatchNorm's mode while training")


class DescentConfig(StepConfig):
    """Parameters of a method that takes its own gradient steps, epoch by epoch."""

    epochs: int = Field(5, ge=0, le=10_000)


@dataclass(frozen=True)
class Step:
    """One gradient step: the scalar loss, and what is done to the gradients before they are used."""

    loss: torch.Tensor
    shape: Callable[[], None] | None = None


def student(model: nn.Module, compute: Compute, *, batchnorm: str = "train") -> nn.Module:
    """A copy of `model` on the device, ready to be trained."""
    result = compute.twin(model).train()
    if batchnorm == "eval":
        for module in batchnorms(result):
            module.eval()
    return result


def teacher(model: nn.Module, compute: Compute) -> nn.Module:
    """A copy of `model` that only answers: evaluation mode, no gradients."""
    return compute.twin(model).eval().requires_grad_(False)


def finish(model: nn.Module) -> nn.Module:
    """Evaluation mode, every parameter trainable, no gradients left."""
    model.eval().requires_grad_(True).zero_grad(set_to_none=True)
    return model


def optimiser_of(model: nn.Module, config: StepConfig, *, lr: float | None = None) -> torch.optim.Optimizer:
    """The configured optimiser over all parameters, with fresh state."""
    chosen = config.lr if lr is None else lr
    if config.optimiser == "adam":
        return torch.optim.Adam(model.parameters(), lr=chosen, weight_decay=config.weight_decay)
    if config.optimiser == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=chosen, weight_decay=config.weight_decay)
    return torch.optim.SGD(model.parameters(), lr=chosen, momentum=config.momentum, weight_decay=config.weight_decay)


def descend(
    steps: Iterator[Step],
    optimiser: torch.optim.Optimizer,
    *,
    compute: Compute,
    generator: torch.Generator,
    tell: Callable[[], None],
    project: Callable[[], None] | None = None,
) -> None:
    """Take one optimiser step for each that `steps` yields, which computes its loss when it is asked for it.

    `project` runs after every optimiser step: only there can weights be held still, because momentum and weight decay
    move a weight whose gradient is zero. Raises TrainingError where the loss is not finite, or a weight at the end.
    """
    devices = [compute.device] if compute.device.type == "cuda" else []
    total = torch.zeros((), device=compute.device)
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # dropout draws from the global one
        for number in itertools.count(1):
            with compute.autocast():
                step = next(steps, None)
            if step is None:
                break
            _take(step, optimiser, project)
            total += step.loss.detach()
            if number % _CHECK_EVERY == 0:
                _check_finite(total, number, optimiser)
            tell()
    _check_finite(total, number - 1, optimiser)
    if not all(torch.isfinite(weight).all() for group in optimiser.param_groups for weight in group["params"]):
        raise TrainingError(f"weights are not finite after the last of {number - 1} steps{_remedy(optimiser)}")


def counter(progress: Progress, total: int, text: str) -> Callable[[], None]:
    """Tell `progress` of one more step at each call."""
    done = itertools.count(1)
    return lambda: progress(next(done), total, text)


def set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def cosine(value: float, step: int, total: int, *, least: float = 0.0) -> float:
    """From `value` at step 0 to `least` at step `total`, along half a cosine."""
    return least + (value - least) * (1 + math.cos(math.pi * step / max(1, total))) / 2


def batchnorms(model: nn.Module) -> list[nn.Module]:
    """The modules that keep running statistics."""
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def holding(modules: list[nn.Module], loss: Loss) -> Loss:
    """A loss for `fit` during which these modules stay in evaluation mode: their statistics do not move."""

    def held(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for module in modules:
            module.training = False  # not eval(): that would silence the children of a module that only holds a parameter
        return loss(model, images, targets)

    return held


def _take(step: Step, optimiser: torch.optim.Optimizer, project: Callable[[], None] | None) -> None:
    optimiser.zero_grad(set_to_none=True)
    step.loss.backward()
    if step.shape:
        step.shape()
    optimiser.step()
    if project:
        project()


def _check_finite(total: torch.Tensor, number: int, optimiser: torch.optim.Optimizer) -> None:
    if not torch.isfinite(total):
        raise TrainingError(f"the loss is {total.item()} at step {number}{_remedy(optimiser)}")


def _remedy(optimiser: torch.optim.Optimizer) -> str:
    return (
        f", with a learning rate of {optimiser.param_groups[0]['lr']:.3g}: lower lr, or use runtime.precision fp32; "
        "nothing was written over"
    )
