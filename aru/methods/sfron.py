"""SFRon: salient, adaptively weighted ascent on forget, now and then, between steps of descent on retain."""

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.importance import GradientOptions, Gradients, importance
from aru.methods.method import Method
from aru.methods.salun import Mask, mask_gradients
from aru.train.batches import BatchOptions, endless
from aru.train.descent import Step, StepConfig, cosine, counter, descend, finish, student
from aru.train.optimizers import make_optimizer, set_lr
from aru.train.tasks import CLASSIFICATION, Task

_TINY = 1e-15  # the source's, against division by zero


class SfronConfig(StepConfig):
    """The source's for CIFAR-10: what counts is iterations, not epochs."""

    iterations: int = Field(1500, ge=0, le=1_000_000, description="steps on retain")
    batch_size: int = Field(128, ge=2, le=8192)
    weight_decay: float = Field(5e-4, ge=0)
    every: int = Field(5, ge=1, description="steps on retain for one on forget")
    strength: float = Field(25.0, ge=0, description="weight of the ascent, falling to zero by a cosine")
    exponent: float = Field(0.5, ge=0, description="an image of loss l weighs l^-exponent in the ascent")
    threshold: float = Field(1.0, ge=0, description="weights ascend where F_f / F_r is at least this")
    clip: float = Field(7.0, gt=0, description="largest gradient norm of the ascent")


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: SfronConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """Every step theta <- theta - lr grad CE(D_r); every fifth first theta <- theta + lr c_t m grad sum w_i CE_i(D_f),
    m = 1[F_f / F_r >= threshold], w_i ~ CE_i^-exponent (arXiv 2409.19732)."""
    mask = balanced_saliency(model, sets, config, compute=compute, task=task)
    result = student(model, compute, batchnorm=config.batchnorm)
    random, optimizer = generator(seed, "sfron"), make_optimizer(result.parameters(), config)

    def restrain() -> None:
        mask_gradients(result, mask)
        torch.nn.utils.clip_grad_norm_(result.parameters(), config.clip)

    def steps() -> Iterator[Step]:
        options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}
        forget, retain = (endless(data, config.batch_size, **options) for data in (sets.forget, sets.retain))
        for number in range(config.iterations):
            set_lr(optimizer, cosine(config.lr, number, config.iterations))
            if number % config.every == 0:
                images, targets = next(forget)
                losses = task.losses(result, images, targets)
                yield Step(-cosine(config.strength, number, config.iterations) * adaptive(losses, config.exponent), restrain)
            images, targets = next(retain)
            yield Step(task.step(result, images, targets)[0])

    total = config.iterations + -(-config.iterations // config.every)
    descend(steps(), optimizer, compute=compute, generator=random, step_done=counter(progress, total, "sfron"))
    return finish(result)


def adaptive(losses: torch.Tensor, exponent: float) -> torch.Tensor:
    """Weighted mean of losses (B,): weights l^-exponent, normalised, held fixed, so that what is forgotten counts little.

    A loss that is a mean already stays as it is.
    """
    weights = 1 / (losses.detach() ** exponent + _TINY)
    return (weights / weights.sum() * losses).sum()


def balanced_saliency(model: nn.Module, sets: Sets, config: SfronConfig, *, compute: Compute, task: Task) -> Mask:
    """True where a weight's importance to forget is at least `threshold` times that to retain."""
    options: GradientOptions = {
        "batch_size": config.batch_size,
        "compute": compute,
        "progress": silent,
        "text": "sfron",
        "task": task,
    }
    return at_least(importance(model, sets.forget, **options), importance(model, sets.retain, **options), config.threshold)


def at_least(forget: Gradients, retain: Gradients, threshold: float) -> Mask:
    """Where forget / retain reaches the threshold; zero by zero counts as one."""
    return {name: (forget[name] + _TINY) / (retain[name] + _TINY) >= threshold for name in forget}


METHODS = (
    Method(
        "sfron",
        SfronConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2409.19732",
        {"paper": SfronConfig()},
        accepts=("loss",),
    ),
)
