"""Random labels: learn drawn labels for the forget set beside the right ones for retain."""

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
from aru.methods.method import Method
from aru.train.batches import joined, passes, relabelled, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.losses import task_loss
from aru.train.optimizers import make_optimizer


class RandomLabelsConfig(DescentConfig):
    """Deep Unlearn's successive random labels by default: a new draw for every epoch."""

    epochs: int = Field(10, ge=0, le=10_000)
    batch_size: int = Field(256, ge=2, le=8192)
    redraw: bool = Field(True, description="draw the labels anew for every epoch, or once")
    labels: Literal["any", "others"] = Field("any", description="drawn evenly from all, or from all but the true one")


def unlearn(
    model: nn.Module, sets: Sets, config: RandomLabelsConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Minimise CE over D_r and {(x, y'): x in D_f, y' uniform} (Golatkar et al. 2020; arXiv 2410.01276)."""
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "random-labels")
    steps = drawn_label_steps(result, sets, config, generator=random, compute=compute)
    descend(
        steps,
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, total_steps(sets, config), "random-labels"),
    )
    return finish(result)


def total_steps(sets: Sets, config: RandomLabelsConfig) -> int:
    """The steps of all epochs over forget and retain together."""
    return config.epochs * passes(len(sets.retain) + len(sets.forget), config.batch_size)


def drawn_label_steps(
    model: nn.Module, sets: Sets, config: RandomLabelsConfig, *, generator: torch.Generator, compute: Compute
) -> Iterator[Step]:
    """The steps over retain as it is and forget with drawn labels, shuffled together."""
    own = config.labels == "any"
    drawn = relabelled(sets.forget, generator=generator, own=own)
    for epoch in range(config.epochs):
        if config.redraw and epoch > 0:
            drawn = relabelled(sets.forget, generator=generator, own=own)
        mixed = joined(sets.retain, drawn)
        for images, targets in shuffled(
            mixed, config.batch_size, generator=generator, compute=compute, augmented=config.augment
        ):
            yield Step(task_loss(model(images), targets))


METHODS = (
    Method(
        "random-labels",
        RandomLabelsConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 1911.04933; 2410.01276",
        {"deepunlearn": RandomLabelsConfig(augment=False)},
    ),
)
