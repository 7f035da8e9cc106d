"""The one loop of the methods whose steps `aru.train.loop.fit` cannot express: a method yields losses, this descends them."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.compute.modes import all_trained
from aru.core.config import Section
from aru.core.errors import TrainingError
from aru.core.progress import Progress
from aru.core.seeds import seeded
from aru.nets.models import batchnorms
from aru.train.finite import LossWatch
from aru.train.loop import Loss


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
    """One gradient step: the scalar loss, and what `grad_hook` does to the gradients before the optimizer uses them."""

    loss: torch.Tensor
    grad_hook: Callable[[], None] | None = None


def student(model: nn.Module, compute: Compute, *, batchnorm: str = "train") -> nn.Module:
    """A copy of `model` on the device, ready to be trained."""
    result = compute.placed_copy(model).train()
    if batchnorm == "eval":
        for module in batchnorms(result):
            module.eval()
    return result


def teacher(model: nn.Module, compute: Compute) -> nn.Module:
    """A copy of `model` that only answers: evaluation mode, no gradients."""
    return compute.placed_copy(model).eval().requires_grad_(False)


def finish(model: nn.Module) -> nn.Module:
    """Evaluation mode, every parameter trainable, no gradients left."""
    all_trained(model).eval().zero_grad(set_to_none=True)
    return model


def descend(
    steps: Iterator[Step],
    optimizer: torch.optim.Optimizer,
    *,
    compute: Compute,
    generator: torch.Generator,
    step_done: Callable[[], None],
    project: Callable[[], None] | None = None,
) -> None:
    """Take one optimizer step for each that `steps` yields, which computes its loss when the next step is due.

    `project` runs after every optimizer step: only there can weights be held still, because momentum and weight decay
    move a weight whose gradient is zero. Raises TrainingError where the loss is not finite, or a weight at the end.
    """
    total = torch.zeros((), device=compute.device)
    watch = LossWatch("the loss", lambda number: f" at step {number}{_remedy(optimizer)}")
    drawn = int(torch.randint(2**31, (1,), generator=generator))
    with seeded(drawn, compute.device):  # dropout draws from the global generator
        for number in itertools.count(1):
            with compute.autocast():
                step = next(steps, None)
            if step is None:
                break
            _take(step, optimizer, project)
            total += step.loss.detach()
            watch.step(total, number)
            step_done()
    watch.last(total, number - 1)
    if not all(torch.isfinite(weight).all() for group in optimizer.param_groups for weight in group["params"]):
        raise TrainingError(f"weights are not finite after the last of {number - 1} steps{_remedy(optimizer)}")


def counter(progress: Progress, total: int, text: str) -> Callable[[], None]:
    """A function that counts one more step at each call and passes it on to `progress`."""
    done = itertools.count(1)
    return lambda: progress(next(done), total, text)


def cosine(value: float, step: int, total: int, *, least: float = 0.0) -> float:
    """From `value` at step 0 to `least` at step `total`, along half a cosine."""
    return least + (value - least) * (1 + math.cos(math.pi * step / max(1, total))) / 2


def with_frozen_statistics(modules: Sequence[nn.Module], loss: Loss) -> Loss:
    """A loss for `fit` during which these modules stay in evaluation mode: their statistics do not move."""

    def held(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for module in modules:
            module.training = False  # not eval(): that would silence the children of a module that only holds a parameter
        return loss(model, images, targets)

    return held


def _take(step: Step, optimizer: torch.optim.Optimizer, project: Callable[[], None] | None) -> None:
    optimizer.zero_grad(set_to_none=True)
    step.loss.backward()
    if step.grad_hook:
        step.grad_hook()
    optimizer.step()
    if project:
        project()


def _remedy(optimizer: torch.optim.Optimizer) -> str:
    return (
        f", with a learning rate of {optimizer.param_groups[0]['lr']:.3g}: lower lr, or use runtime.precision fp32; "
        "nothing was written over"
    )
