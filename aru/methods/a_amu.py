"""A-AMU: fine-tuning with a steeper loss, whose losses on forget images are made to look like those on images held out."""

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.matching import divided, same_classes
from aru.methods.method import Method, require_classes
from aru.train.batches import BatchOptions, endless, passes, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.losses import task_loss
from aru.train.optimizers import make_optimizer

_TINY = 1e-8  # the source's, inside the logarithm


class AAmuConfig(DescentConfig):
    """The released code's defaults; `matching`, the weight of the regulariser, and `held_out` are ours."""

    optimiser: Literal["sgd", "adam", "adamw"] = "adam"
    lr: float = Field(1e-4, gt=0)
    augment: bool = Field(False, description="MUFAC's flips, affine maps and colour jitter")
    matching: float = Field(1.0, ge=0, description="weight of the distance between the two sets of losses")
    transform: Literal["ranks", "logarithms"] = Field("ranks", description="of the losses, before they are compared")
    sharpness: float = Field(10.0, gt=0, description="of the sigmoid that ranks a loss among those of its batch")
    largest: float = Field(50.0, gt=0, description="ranks, as values of a normal distribution, are cut here")
    bandwidth: float = Field(1.0, gt=0, description="of the Gaussian kernel that compares them")
    batches: int = Field(4, ge=1, le=1000, description="as many forget images a step, in batches")
    held_out: float = Field(0.2, gt=0, lt=1, description="of retain, drawn once, not trained on but compared with")


def unlearn(
    model: nn.Module, sets: Sets, config: AAmuConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """min mean CE(D_r)^2 + w MMD^2(g(CE(D_f)), g(CE(D_h))), D_h held fixed (arXiv 2507.09786, Accelerated-AMU on fine-tuning).

    In its authors' code D_h is 70 % of the test set; here it is a part of D_r on which nothing descends.
    """
    require_classes(sets, "a-amu")
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "a-amu")
    held, kept = divided(sets.retain, config.held_out, "a-amu", generator=random)
    options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}

    def steps() -> Iterator[Step]:
        forget = endless(sets.forget, config.batches * config.batch_size, **options)
        for _ in range(config.epochs):
            for images, targets in shuffled(kept, config.batch_size, **options):
                loss = task_loss(result(images), targets, reduction="none").square().mean()
                forgotten, labels = next(forget)
                beside, others = held.batch(same_classes(labels, held.targets, generator=random), compute.device)
                with torch.no_grad():
                    wanted = task_loss(result(beside), others, reduction="none")
                found = task_loss(result(forgotten), labels, reduction="none")
                pair = [transformed(losses, config) for losses in (found, wanted)]
                yield Step(loss + config.matching * discrepancy(*pair, bandwidth=config.bandwidth))

    descend(
        steps(),
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, config.epochs * passes(len(kept), config.batch_size), "a-amu"),
    )
    return finish(result)


def transformed(losses: torch.Tensor, config: AAmuConfig) -> torch.Tensor:
    """log(1 + loss), or what the source makes of it: its soft rank within the batch as a value of the normal distribution.

    A rank does not change where all losses of the batch change alike: the source's regulariser sees their shape alone.

    Shape:
        losses, result: (B,).
    """
    values = torch.log1p(losses + _TINY)
    if config.transform == "logarithms":
        return values
    above = (values[:, None] - values).relu()
    ranks = torch.sigmoid(config.sharpness * above).mean(dim=1)
    return torch.special.ndtri(ranks).clamp(-config.largest, config.largest)


def discrepancy(one: torch.Tensor, other: torch.Tensor, *, bandwidth: float) -> torch.Tensor:
    """The squared maximum mean discrepancy of two samples of numbers, with a Gaussian kernel (Gretton et al. 2012, biased).

    Shape:
        one: (B,); other: (M,); result: a scalar from 0 to 2.
    """

    def kernel(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.exp(-(first[:, None] - second).square() / (2 * bandwidth**2)).mean()

    return kernel(one, one) + kernel(other, other) - 2 * kernel(one, other)


METHODS = (
    Method(
        "a-amu",
        AAmuConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2507.09786, code algebraicdianuj/DC_Unlearning",
        {"release": AAmuConfig(), "logarithms": AAmuConfig(transform="logarithms")},
        multilabel=False,
    ),
)
