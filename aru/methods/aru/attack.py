"""ARU, step 1: projected gradient descent in L-infinity, one noise tensor an image."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from aru.compute.compiling import FullBatches
from aru.compute.device import Compute
from aru.compute.transfer import one_behind, sent
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
    random, result, done = generator(seed, "attack"), torch.empty(0), 0
    placed, full = _to_attack(model, compute), FullBatches(config.batch_size, wanted=compute.compile)

    def queued() -> Iterator[tuple[torch.Tensor, ...]]:
        for images, targets in data.batches(torch.arange(len(data)).split(config.batch_size), compute.device):
            with full.on(len(images)):
                attacked = _noise_and_checks(placed, images, targets, config, random, compute, task)
            yield attacked

    with full.of(placed):
        for noise, *checks in one_behind(queued()):
            _check(*checks, noise=config.noise)
            if done == 0:
                result = torch.empty((len(data), *noise.shape[1:]), dtype=noise.dtype)
            result[done : done + len(noise)] = noise
            done += len(noise)
            progress(done, len(data), "attack")
    return result


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
    noise, loss = _descended(
        _to_attack(model, compute),
        images,
        targets,
        noise,
        eps=eps,
        alpha=alpha,
        steps=steps,
        ascend=ascend,
        compute=compute,
        task=task,
    )
    _require_finite(loss, torch.isfinite(noise).all())
    return noise


def _to_attack(model: nn.Module, compute: Compute) -> nn.Module:
    """A placed copy that answers, and computes no gradient of its weights beside that of the noise."""
    return compute.placed_copy(model).eval().requires_grad_(False)


def _descended(
    placed: nn.Module,
    images: torch.Tensor,
    targets: Any,
    noise: torch.Tensor,
    *,
    eps: float,
    alpha: float,
    steps: int,
    ascend: bool,
    compute: Compute,
    task: Task,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The noise of `projected_gradient_descent` and the loss at the last step, neither of them looked at."""
    lower, upper = _bounds(images, eps)
    step = alpha if ascend else -alpha
    loss = torch.zeros((), device=images.device)
    for _ in range(steps):
        noise = noise.detach().requires_grad_(True)
        with compute.autocast():
            loss = task.summed(placed, images + noise, targets)
        (gradient,) = torch.autograd.grad(loss, noise)
        noise = (noise.detach() + step * gradient.sign()).clamp(lower, upper)
    return noise.detach(), loss.detach()


def accuracy_with_noise(model: nn.Module, data: ImageSet, noise: torch.Tensor, *, compute: Compute) -> float:
    """The share of `data` that the model gets right on image + noise, from 0 to 1; the model is left as it was.

    Shape:
        noise: (M, 3, H, W), in the order of `data`.
    """
    placed, parts = compute.placed_copy(model).eval(), torch.arange(len(data)).split(256)

    def queued() -> Iterator[tuple[torch.Tensor]]:
        for positions, (images, targets) in zip(parts, data.batches(parts, compute.device), strict=True):
            with torch.no_grad(), compute.autocast():
                right = correct(placed(images + sent(noise[positions], compute.device)), targets)
            yield (right,)

    return sum(right.item() for (right,) in one_behind(queued())) / len(data)


def random_noise(images: torch.Tensor, *, eps: float, generator: torch.Generator) -> torch.Tensor:
    """Uniform noise in [-eps, eps], cut where image + noise would leave [0, 1]."""
    draw = torch.rand(images.shape, generator=generator, dtype=images.dtype)
    return ((2 * sent(draw, images.device) - 1) * eps).clamp(*_bounds(images, eps))


def _noise_and_checks(
    placed: nn.Module,
    images: torch.Tensor,
    targets: Any,
    config: AttackConfig,
    random: torch.Generator,
    compute: Compute,
    task: Task,
) -> tuple[torch.Tensor, ...]:
    """The noise of a batch, and what `_check` looks at later, because a look waits for a GPU."""
    noise, loss = torch.zeros_like(images), torch.zeros((), device=images.device)
    if config.noise == "none":
        return noise, torch.zeros(2, device=images.device), loss, torch.isfinite(loss)
    if not images.is_floating_point():
        raise InputError(
            f"attack.noise is {config.noise!r} and the inputs are whole numbers ({images.dtype}), such as token ids, to which "
            "no noise can be added: set attack.noise to 'none', which scores units by the forget set against inputs of zeros, "
            "or give the network its embedded inputs"
        )
    if config.noise == "random" or config.start == "uniform":
        noise = random_noise(images, eps=config.eps, generator=random)
    if config.noise == "adversarial":
        noise, loss = _descended(
            placed,
            images,
            targets,
            noise,
            eps=config.eps,
            alpha=config.alpha,
            steps=config.steps,
            ascend=config.direction == "max",
            compute=compute,
            task=task,
        )
    return noise, torch.stack(images.aminmax()), loss, torch.isfinite(noise).all()


def _check(extremes: torch.Tensor, loss: torch.Tensor, noise_is_finite: torch.Tensor, *, noise: str) -> None:
    """Noise needs numbers that can change a little, between known bounds, and finite gradients."""
    low, high = extremes.tolist()
    if low < 0 or high > 1:
        raise InputError(
            f"attack.noise is {noise!r} and the inputs run from {low:.3g} to {high:.3g}: noise is bounded in [0, 1], give "
            "bounds=(least, greatest value) so that inputs are brought there, or set attack.noise to 'none'"
        )
    _require_finite(loss, noise_is_finite)


def _require_finite(loss: torch.Tensor, noise_is_finite: torch.Tensor) -> None:
    require_finite(loss, "the model's loss on the images to attack", DIVERGED)
    if not noise_is_finite:
        raise TrainingError(f"the model's gradient on the images to attack is not finite{DIVERGED}")


def _bounds(images: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest noise allowed at each pixel: one clamp then serves both constraints exactly."""
    return (-images).clamp(min=-eps), (1 - images).clamp(max=eps)
