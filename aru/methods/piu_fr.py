"""PIU-FR: forget images are pulled towards the outputs of others of their class and pushed away, in turns; then repair."""

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.matching import same_classes
from aru.methods.method import Method, require_classes
from aru.train.batches import BatchOptions, passes, shuffled
from aru.train.descent import Step, StepConfig, counter, descend, finish, student, teacher
from aru.train.losses import distillation_loss, task_loss
from aru.train.optimizers import OptimizerOptions, make_optimizer


class PiuFrConfig(StepConfig):
    """The released notebook's (MUFAC); the batch size of stage 1 is ours."""

    epochs: int = Field(10, ge=0, le=10_000, description="passes over forget in stage 1")
    lr: float = Field(1e-3, gt=0, description="of stage 1")
    momentum: float = Field(0.0, ge=0, lt=1, description="of stage 1, sgd only")
    temperature: float = Field(4.0, gt=0)
    repair_epochs: int = Field(2, ge=0, le=10_000, description="passes over retain in stage 2")
    repair_lr: float = Field(0.01, gt=0, description="of stage 2, SGD")
    repair_momentum: float = Field(0.9, ge=0, lt=1, description="of stage 2")


def unlearn(
    model: nn.Module, sets: Sets, config: PiuFrConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Stage 1: min and max KL(theta0(x_u) || s(x_f)) in turns, batch by batch, x_u of x_f's class. Stage 2: min CE(D_r).

    ACIIDS 2025, as its authors' notebook for MUFAC computes it. There the x_u are four fifths of the unseen people; here they
    are images of D_r, because no method reads people who are evaluated on.
    """
    require_classes(sets, "piu-fr")
    fixed, result = teacher(model, compute), student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "piu-fr")
    options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}
    forget_steps, retain_steps = (passes(len(data), config.batch_size) for data in (sets.forget, sets.retain))
    step_done = counter(progress, config.epochs * forget_steps + config.repair_epochs * retain_steps, "piu-fr")

    def forgetting() -> Iterator[Step]:
        for _ in range(config.epochs):
            sign = 1
            for images, targets in shuffled(sets.forget, config.batch_size, **options):
                beside = same_classes(targets, sets.retain.targets, generator=random)
                with torch.no_grad():
                    wanted = fixed(sets.retain.batch(beside, compute.device)[0])
                yield Step(sign * distillation_loss(result(images), wanted, temperature=config.temperature))
                sign = -sign

    def repairing() -> Iterator[Step]:
        for _ in range(config.repair_epochs):
            for images, targets in shuffled(sets.retain, config.batch_size, **options):
                yield Step(task_loss(result(images), targets))

    repair = make_optimizer(result.parameters(), OptimizerOptions(lr=config.repair_lr, momentum=config.repair_momentum))
    for steps, optimizer in ((forgetting(), make_optimizer(result.parameters(), config)), (repairing(), repair)):
        descend(steps, optimizer, compute=compute, generator=random, step_done=step_done)
    return finish(result)


METHODS = (
    Method(
        "piu-fr",
        PiuFrConfig,
        unlearn,
        (FORGET, RETAIN),
        "ACIIDS 2025, code thuanphat03/Unlearn-PIU-FR",
        {"stage-2": PiuFrConfig(), "stage-1": PiuFrConfig(repair_epochs=0)},
        multilabel=False,
    ),
)
