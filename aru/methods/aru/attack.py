"""ARU, step 1: projected gradient descent in L-infinity, one noise tensor an image."""

from typing import Any

import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.config import AttackConfig
from aru.core.errors import InputError, TrainingError
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import ImageSet
from aru.train.finite import DIVERGED, require_finite
from aru.train.tasks import CLASSIFICATION, Task, correct


def attack(
    model: nn.Module,
    data: ImageSet,
    config: AttackConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> torch.Tensor:
    """Noise for every image of `data`, the forget set, in its order (docs/protocol.md, "ARU", 1).

    The stage `attack`, the method `aru` and the library call this with the seed of the run.

    Shape:
        result: (M, 3, H, W) float32 on the CPU, |noise| <= eps and image + noise in [0, 1].
    """
    random, noises = generator(seed, "attack"), []
    for positions in torch.arange(len(data)).split(config.batch_size):
        images, targets = data.batch(positions, compute.device)
        if config.noise != "none":
            _check_inputs(images, config.noise)
        if config.noise == "none":
            noise = torch.zeros_like(images)
        elif config.noise == "random":
            noise = random_noise(images, eps=config.eps, generator=random)
        else:
            start = (
                random_noise(images, eps=config.eps, generator=random)
                if config.start == "uniform"
                else torch.zeros_like(images)
            )
            noise = projected_gradient_descent(
                model,
                images,
                targets,
                start,
                eps=config.eps,
                alpha=config.alpha,
                steps=config.steps,
                ascend=config.direction == "max",
                compute=compute,
                task=task,
            )
        noises.append(noise.contiguous().cpu())
        progress(int(positions[-1]) + 1, len(data), "attack")
    return torch.cat(noises)


def projected_gradient_descent(
    model: nn.Module,
    images: torch.Tensor,
    targets: Any,
    noise: torch.Tensor,
    *,
    eps: float,
    alpha: float,
    steps: int,
    ascend: bool,
    compute: Compute,
    task: Task = CLASSIFICATION,
) -> torch.Tensor:
    """`steps` signed steps of size `alpha` from `noise`, each clipped to the eps-ball and to valid pixels.

    The model answers in evaluation mode and is left as it was, and where: no gradient, no statistics, no mode changes.
    Raises TrainingError where its loss is not finite.

    Shape:
        images, noise: (B, 3, H, W); images in [0, 1].
    """
    placed = compute.placed_copy(model).eval()
    lower, upper = _bounds(images, eps)
    step = alpha if ascend else -alpha
    loss = torch.zeros((), device=images.device)
    for _ in range(steps):
        noise = noise.detach().requires_grad_(True)
        with compute.autocast():
            loss = task.summed(placed, images + noise, targets)
        (gradient,) = torch.autograd.grad(loss, noise)
        noise = (noise.detach() + step * gradient.sign()).clamp(lower, upper)
    require_finite(loss, "the model's loss on the images to attack", DIVERGED)
    if not torch.isfinite(noise).all():
        raise TrainingError(f"the model's gradient on the images to attack is not finite{DIVERGED}")
    return noise.detach()


def accuracy_with_noise(model: nn.Module, data: ImageSet, noise: torch.Tensor, *, compute: Compute) -> float:
    """The share of `data` that the model gets right on image + noise, from 0 to 1; the model is left as it was.

    Shape:
        noise: (M, 3, H, W), in the order of `data`.
    """
    placed, right = compute.placed_copy(model).eval(), 0.0
    with torch.no_grad(), compute.autocast():
        for positions in torch.arange(len(data)).split(256):
            images, targets = data.batch(positions, compute.device)
            right += correct(placed(images + noise[positions].to(images.device)), targets).item()
    return right / len(data)


def random_noise(images: torch.Tensor, *, eps: float, generator: torch.Generator) -> torch.Tensor:
    """Uniform noise in [-eps, eps], cut where image + noise would leave [0, 1]."""
    draw = torch.rand(images.shape, generator=generator, dtype=images.dtype).to(images.device)
    return ((2 * draw - 1) * eps).clamp(*_bounds(images, eps))


def _check_inputs(images: torch.Tensor, noise: str) -> None:
    """Noise needs numbers that can change a little, between known bounds."""
    if not images.is_floating_point():
        raise InputError(
            f"attack.noise is {noise!r} and the inputs are whole numbers ({images.dtype}), such as token ids, to which no "
            "noise can be added: set attack.noise to 'none', which scores units by the forget set against inputs of zeros, or "
            "give the network its embedded inputs"
        )
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        raise InputError(
            f"attack.noise is {noise!r} and the inputs run from {low:.3g} to {high:.3g}: noise is bounded in [0, 1], give "
            "bounds=(least, greatest value) so that inputs are brought there, or set attack.noise to 'none'"
        )


def _bounds(images: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest noise allowed at each pixel: one clamp then serves both constraints exactly."""
    return (-images).clamp(min=-eps), (1 - images).clamp(max=eps)
