"""UNSIR: learn noise that stands for the opposite of the forget set, impair with it, repair on retain."""

import itertools
from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from aru.compute.device import Compute
from aru.compute.transfer import sent
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method
from aru.train.batches import Batch, BatchOptions, endless, passes, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.losses import task_loss
from aru.train.optimizers import OptimizerOptions, make_optimizer


class UnsirConfig(DescentConfig):
    """The benchmark's task-agnostic form by default; `epochs` and `lr` are the impairing's."""

    epochs: int = Field(2, ge=0, le=10_000)
    lr: float = Field(1e-3, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd only")
    batchnorm: Literal["train", "eval"] = Field("eval", description="BatchNorm's mode throughout")
    least_steps: int = Field(0, ge=0, le=10_000, description="of an impairing epoch, both sets begun again where they end")
    objective: Literal["outputs", "labels"] = Field("outputs", description="what the noise is driven away from")
    noise_steps: int = Field(5, ge=1, le=10_000)
    noise_lr: float = Field(0.01, gt=0, description="of the noise's Adam")
    noise_penalty: float = Field(0.1, ge=0, description="weight of the noise's squared norm, for objective labels")
    repair_epochs: int = Field(1, ge=0, le=10_000)
    repair_lr: float = Field(1e-3, gt=0)


def unlearn(
    model: nn.Module, sets: Sets, config: UnsirConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Impair, min CE(f(N), y) + CE(f(x_r), y_r), then repair, min CE(f(x_r), y_r) (arXiv 2111.08947, 2311.02240).

    objective ``labels``: N minimises -CE(f(N), y_f) + penalty ||N||^2, and y = y_f. objective ``outputs``, the benchmark's:
    N maximises ||f(N) - f(x_f)||^2 and is cut to [0, 1], and y = y_r.
    """
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "unsir")
    options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}
    size = config.batch_size
    impairing = min(passes(len(sets.retain), size), passes(len(sets.forget), size))
    step_done = counter(
        progress,
        config.epochs * max(impairing, config.least_steps) + config.repair_epochs * passes(len(sets.retain), size),
        "unsir",
    )

    def pairs() -> Iterator[tuple[Batch, Batch]]:
        whole = impairing >= config.least_steps
        retain, forget = ((shuffled if whole else endless)(data, size, **options) for data in (sets.retain, sets.forget))
        return itertools.islice(zip(retain, forget, strict=False), None if whole else config.least_steps)

    def impair() -> Iterator[Step]:
        for _ in range(config.epochs):
            for (images, targets), (forget_images, forget_targets) in pairs():
                noise = learn_noise(result, forget_images, forget_targets, config, generator=random)
                wanted = forget_targets if config.objective == "labels" else targets
                count = min(len(noise), len(wanted))
                impaired = task_loss(result(noise[:count]), wanted[:count])
                yield Step(impaired + task_loss(result(images), targets))

    def repair() -> Iterator[Step]:
        for _ in range(config.repair_epochs):
            for images, targets in shuffled(sets.retain, size, **options):
                yield Step(task_loss(result(images), targets))

    descend(impair(), make_optimizer(result.parameters(), config), compute=compute, generator=random, step_done=step_done)
    descend(
        repair(),
        make_optimizer(result.parameters(), config, lr=config.repair_lr),
        compute=compute,
        generator=random,
        step_done=step_done,
    )
    return finish(result)


def learn_noise(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, config: UnsirConfig, *, generator: torch.Generator
) -> torch.Tensor:
    """One noise image for each forget image, by Adam from a normal draw; no weight of the model changes.

    Shape:
        images: (B, ...) in [0, 1]; result likewise, unbounded with objective ``labels``.
    """
    noise = sent(torch.randn(images.shape, generator=generator, dtype=torch.float32), images.device).requires_grad_(True)
    adam = make_optimizer([noise], OptimizerOptions(lr=config.noise_lr, optimiser="adam"))
    with torch.no_grad():
        outputs = model(images).float()
    for _ in range(config.noise_steps):
        if config.objective == "labels":
            length = noise.square().sum(dim=tuple(range(1, noise.ndim)))
            loss = -task_loss(model(noise), targets) + config.noise_penalty * length.mean()
        else:
            loss = -functional.mse_loss(model(noise).float(), outputs)
        (gradient,) = torch.autograd.grad(loss, noise)
        noise.grad = gradient.contiguous()  # a fused Adam refuses one that lies in memory otherwise than the noise
        adam.step()
    return noise.detach() if config.objective == "labels" else noise.detach().clamp(0, 1)


METHODS = (
    Method(
        "unsir",
        UnsirConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2111.08947; 2311.02240",
        {
            "benchmark": UnsirConfig(),
            "paper": UnsirConfig(
                epochs=1,
                batch_size=256,
                optimiser="adam",
                lr=0.02,
                repair_lr=0.01,
                batchnorm="train",
                least_steps=32,
                objective="labels",
                noise_steps=40,
                noise_lr=0.1,
            ),
        },
    ),
)
