"""Sharp MinMax: one part of the weights learns retain where the loss is flat, the other unlearns forget where it is sharp."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.compute.modes import trained_parameters
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.importance import Gradients, summed_gradient
from aru.methods.method import Method
from aru.methods.salun import Mask, saliency
from aru.nets.models import batchnorms
from aru.train.batches import BatchOptions, endless, passes, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.optimizers import make_optimizer
from aru.train.tasks import CLASSIFICATION, Task

_TINY = 1e-12  # the source's, against division by zero


class SharpMinMaxConfig(DescentConfig):
    """The released code's defaults, with the optimizer of its ResNets; `share` is ours."""

    epochs: int = Field(10, ge=0, le=10_000, description="passes over retain; forget is repeated beside it")
    batch_size: int = Field(256, ge=2, le=8192)
    weight_decay: float = Field(5e-4, ge=0)
    retain_weight: float = Field(0.99, ge=0, le=1, description="of retain's loss; the rest is forget's, ascended")
    radius: float = Field(0.1, ge=0, description="rho: how far the weights are moved to measure sharpness")
    sharpness: float = Field(1.0, ge=0, description="lambda: its weight; 1 on retain is SAM")
    adaptive: bool = Field(False, description="move each weight by its own size (ASAM)")
    share: float = Field(0.5, gt=0, lt=1, description="of all weights, that unlearn and do not learn")
    unlearning: Literal["smallest", "largest"] = Field(
        "smallest", description="the weights that unlearn are those of so large a gradient of forget's loss"
    )


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: SharpMinMaxConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """For weights outside a mask m min L + lambda (L(theta + e) - L), L = a CE(D_r); for those inside min F - lambda
    (F(theta + e) - F), F = -(1 - a) CE(D_f); e of length rho up the loss in question (arXiv 2506.13715).

    Both parts move in one step, where the source takes one after the other.
    """
    gradient = summed_gradient(
        model, sets.forget, batch_size=config.batch_size, compute=compute, progress=silent, text="sharp-minmax", task=task
    )
    mask = unlearning_weights(gradient, config)
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "sharp-minmax")

    def loss(weight: float, images: torch.Tensor, targets: torch.Tensor) -> Callable[[], torch.Tensor]:
        def compute_loss() -> torch.Tensor:
            with compute.autocast():
                return weight * task.step(result, images, targets)[0]

        return compute_loss

    def hook(kept: Callable[[], torch.Tensor], lost: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def combine() -> None:
            flat = sharpened(result, gradients(result, None), kept, config, sign=1)
            sharp = sharpened(result, gradients(result, lost()), lost, config, sign=-1)
            for name, parameter in trained_parameters(result).items():
                combined = torch.where(mask[name], sharp[name], flat[name])
                parameter.grad = torch.empty_like(parameter).copy_(combined)  # a fused optimizer refuses another memory layout

        return combine

    def steps() -> Iterator[Step]:
        options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}
        forget = endless(sets.forget, config.batch_size, **options)
        for _ in range(config.epochs):
            for batch in shuffled(sets.retain, config.batch_size, **options):
                kept, lost = loss(config.retain_weight, *batch), loss(config.retain_weight - 1, *next(forget))
                yield Step(kept(), hook(kept, lost))

    descend(
        steps(),
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, config.epochs * passes(len(sets.retain), config.batch_size), "sharp-minmax"),
    )
    return finish(result)


def unlearning_weights(gradient: Gradients, config: SharpMinMaxConfig) -> Mask:
    """True for the weights that unlearn: a share of all, those of the smallest or of the largest |gradient|."""
    if config.unlearning == "largest":
        return saliency(gradient, config.share)
    return {name: ~marked for name, marked in saliency(gradient, 1 - config.share).items()}


def gradients(model: nn.Module, loss: torch.Tensor | None) -> Gradients:
    """Of `loss`, or without one those that a backward pass has left; zeros where there are none."""
    parameters = trained_parameters(model)
    if loss is None:
        return {name: torch.zeros_like(value) if value.grad is None else value.grad for name, value in parameters.items()}
    values = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, values, strict=True))


def sharpened(
    model: nn.Module, first: Gradients, loss: Callable[[], torch.Tensor], config: SharpMinMaxConfig, *, sign: int
) -> Gradients:
    """g + sign lambda (g' - g), g = `first` and g' the gradient of `loss` a way of length rho up g; the weights are put back.

    The second pass leaves BatchNorm's running statistics alone.
    """
    parameters = trained_parameters(model)
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    scaled = {name: before[name].abs() * value if config.adaptive else value for name, value in first.items()}
    length = torch.stack([value.norm() for value in scaled.values()]).norm() + _TINY
    with torch.no_grad():
        for name, parameter in parameters.items():
            way = before[name].square() * first[name] if config.adaptive else first[name]
            parameter.add_(way * (config.radius / length))
    with statistics_untracked(model):
        second = gradients(model, loss())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(before[name])
    return {name: value + sign * config.sharpness * (second[name] - value) for name, value in first.items()}


@contextmanager
def statistics_untracked(model: nn.Module) -> Iterator[None]:
    """Batches are normalised as before, but the running statistics do not move."""
    tracking = [module for module in batchnorms(model) if module.training and module.track_running_stats]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True


METHODS = (
    Method(
        "sharp-minmax",
        SharpMinMaxConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2506.13715, code HaoranTang/sharp-unlearn",
        {"release": SharpMinMaxConfig(), "largest": SharpMinMaxConfig(unlearning="largest")},
        accepts=("loss",),
    ),
)
