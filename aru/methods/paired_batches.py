"""Passes over retain with a batch of forget beside each of its batches: the loop of the methods whose steps see both."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.progress import Progress
from aru.data.images import Sets
from aru.train.batches import Batch, BatchOptions, endless, passes, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish
from aru.train.optimizers import make_optimizer

PairLoss = Callable[[Batch, Batch, int], torch.Tensor]
"""Of a batch of retain, one of forget, and how many steps were made before: a scalar."""


def pair_steps(sets: Sets, config: DescentConfig) -> int:
    """How many steps `descend_pairs` makes."""
    return config.epochs * passes(len(sets.retain), config.batch_size)


def descend_pairs(
    model: nn.Module,
    sets: Sets,
    config: DescentConfig,
    loss: PairLoss,
    *,
    name: str,
    random: torch.Generator,
    compute: Compute,
    progress: Progress,
) -> nn.Module:
    """Descend `loss` for `config.epochs` passes over retain, forget repeated beside it; the same model, finished.

    model: a student (`aru.train.descent.student`). name: the method's, for the progress.
    """
    options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}
    total = pair_steps(sets, config)

    def steps() -> Iterator[Step]:
        others = endless(sets.forget, config.batch_size, **options)
        number = 0
        for _ in range(config.epochs):
            for retain in shuffled(sets.retain, config.batch_size, **options):
                yield Step(loss(retain, next(others), number))
                number += 1

    descend(
        steps(),
        make_optimizer(model.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, total, name),
    )
    return finish(model)
