"""AMUN: the nearest adversarial neighbour of each forget image is learnt with the label that the model gives it."""

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.compute.transfer import sent
from aru.core.errors import InputError
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import ImageSet, Sets
from aru.methods.method import Method, require_classes
from aru.train.batches import joined, load, passes
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student, teacher
from aru.train.finite import require_finite
from aru.train.loop import batches_of
from aru.train.losses import task_loss
from aru.train.optimizers import make_optimizer, set_lr


class AmunConfig(DescentConfig):
    """The source's: PGD in L2 from 0.04, ten epochs from 0.01, a tenth of it in each that follows."""

    epochs: int = Field(10, ge=0, le=10_000)
    batch_size: int = Field(128, ge=2, le=8192)
    weight_decay: float = Field(5e-4, ge=0)
    decay: float = Field(0.1, gt=0, le=1, description="factor of lr after every epoch")
    eps: float = Field(0.04, gt=0, description="first radius in L2; doubled for the images whose label holds")
    steps: int = Field(50, ge=1, le=10_000, description="for each radius, of size radius / 10")
    doublings: int = Field(13, ge=0, le=30, description="then an image whose label still holds goes without a neighbour")
    use_retain: bool = Field(True, description="train on D_r, D_f and D_A, or on D_f and D_A alone")


def unlearn(
    model: nn.Module, sets: Sets, config: AmunConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Minimise CE over D_r, D_f and D_A = {(x', argmax f(x'))}, x' the nearest to x in D_f with argmax f(x') != y
    (arXiv 2503.00917). The neighbours are not augmented."""
    require_classes(sets, "amun")
    random = generator(seed, "amun")
    adversarial, labels, _ = neighbours(model, sets.forget, config, compute=compute, progress=progress)
    clean = joined(sets.retain, sets.forget) if config.use_retain else sets.forget
    result = student(model, compute, batchnorm=config.batchnorm)
    count = len(clean) + len(adversarial)

    optimizer = make_optimizer(result.parameters(), config)

    def steps() -> Iterator[Step]:
        for epoch in range(config.epochs):
            set_lr(optimizer, config.lr * config.decay**epoch)
            for positions in batches_of(count, config.batch_size, random):
                known, made = positions[positions < len(clean)], positions[positions >= len(clean)] - len(clean)
                images, targets = load(clean, known, generator=random, compute=compute, augmented=config.augment)
                images = torch.cat([images, sent(adversarial[made], compute.device)])
                yield Step(task_loss(result(images), torch.cat([targets, sent(labels[made], compute.device)])))

    descend(
        steps(),
        optimizer,
        compute=compute,
        generator=random,
        step_done=counter(progress, config.epochs * passes(count, config.batch_size), "amun"),
    )
    return finish(result)


def neighbours(
    model: nn.Module, data: ImageSet, config: AmunConfig, *, compute: Compute, progress: Progress = silent
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Adversarial neighbours of `data`, their labels by the model, and the radius at which each was found.

    Shape:
        (A, ...) float32 in [0, 1], (A,) int64, (A,) float32, on the CPU; A <= M: images without one are left out.
    """
    fixed = teacher(model, compute)
    parts = []
    for positions in torch.arange(len(data)).split(config.batch_size):
        images, targets = data.batch(positions, compute.device)
        found, labels, radius, flipped = nearest(fixed, images, targets, config, compute=compute)
        parts.append((found[flipped].cpu(), labels[flipped].cpu(), radius[flipped].cpu()))
        progress(int(positions[-1]) + 1, len(data), "amun neighbours")
    adversarial, labels, radius = (torch.cat(column) for column in zip(*parts, strict=True))
    if len(adversarial) == 0:
        raise InputError(
            f"no forget image changed its label within eps {config.eps} doubled {config.doublings} times: "
            "raise eps or doublings"
        )
    return adversarial.contiguous(), labels, radius


def nearest(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, config: AmunConfig, *, compute: Compute
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """PGD in the L2 ball, whose radius doubles until the label is not the true one: images, labels, radii, flipped.

    An image that the model gets wrong is its own neighbour.
    """
    found, labels = images.clone(), targets.clone()
    radius = torch.full((len(images),), config.eps, device=images.device, dtype=torch.float32)
    waiting = torch.arange(len(images), device=images.device)
    current = images
    for doubling in range(config.doublings + 1):
        for number in range(config.steps + 1):
            answers, gradient = _gradient(model, current, targets[waiting], compute)
            holds = answers == targets[waiting]
            done = waiting[~holds]
            found[done], labels[done] = current[~holds], answers[~holds]
            waiting, current, gradient = waiting[holds], current[holds], gradient[holds]
            if len(waiting) == 0:
                return found, labels, radius, labels != targets
            if number < config.steps:
                current = _step(current, gradient, images[waiting], radius[waiting])
        if doubling < config.doublings:
            radius[waiting] *= 2
    return found, labels, radius, labels != targets


def _gradient(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, compute: Compute
) -> tuple[torch.Tensor, torch.Tensor]:
    images = images.detach().requires_grad_(True)
    with compute.autocast():
        logits = model(images)
        loss = task_loss(logits, targets, reduction="sum")
    require_finite(loss, "the model's loss on the forget set", ": train the original again")
    (gradient,) = torch.autograd.grad(loss, images)
    return logits.argmax(dim=1), gradient


def _step(current: torch.Tensor, gradient: torch.Tensor, origin: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """One normalised step of radius / 10, back into the ball and into valid pixels.

    Shape:
        current, gradient, origin: (B, ...), current and origin in [0, 1]; radius: (B,); result: as origin.
    """
    each = (-1, *[1] * (origin.ndim - 1))  # one factor for each input, whatever its shape
    length = gradient.flatten(1).norm(dim=1) + 1e-10
    delta = current + gradient * (radius / 10 / length).view(each) - origin
    shrink = (radius / delta.flatten(1).norm(dim=1).clamp(min=1e-12)).clamp(max=1)
    return (origin + delta * shrink.view(each)).clamp(0, 1).detach()


METHODS = (
    Method("amun", AmunConfig, unlearn, (FORGET, RETAIN), "arXiv 2503.00917", {"paper": AmunConfig()}, multilabel=False),
)
