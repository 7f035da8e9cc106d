"""L1-sparse: fine-tune while the weights are pulled to zero, ever less."""

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method
from aru.train.batches import passes, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.optimizers import make_optimizer
from aru.train.tasks import CLASSIFICATION, Task


class L1SparseConfig(DescentConfig):
    """Ten epochs of fine-tuning at 0.01."""

    epochs: int = Field(10, ge=0, le=10_000)
    batch_size: int = Field(256, ge=2, le=8192)
    weight_decay: float = Field(5e-4, ge=0)
    alpha: float = Field(5e-4, ge=0, description="weight of the L1 norm in the first epoch")
    free_epochs: int = Field(0, ge=0, description="the last so many epochs go without the penalty")


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: L1SparseConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """Minimise CE(D_r) + a_e ||theta||_1, a_e = a (1 - e / (E - E_free)), zero from then on (arXiv 2304.04934)."""
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "l1-sparse")
    total = config.epochs * passes(len(sets.retain), config.batch_size)

    def steps() -> Iterator[Step]:
        for epoch in range(config.epochs):
            weight = penalty(config, epoch)
            for images, targets in shuffled(
                sets.retain, config.batch_size, generator=random, compute=compute, augmented=config.augment
            ):
                yield Step(task.step(result, images, targets)[0] + weight * l1_norm(result))

    descend(
        steps(),
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, total, "l1-sparse"),
    )
    return finish(result)


def penalty(config: L1SparseConfig, epoch: int) -> float:
    """The norm's weight in epoch 0, 1, ..."""
    penalised = config.epochs - config.free_epochs
    return config.alpha * (1 - epoch / penalised) if epoch < penalised else 0.0


def l1_norm(model: nn.Module) -> torch.Tensor:
    """Sum of the absolute values of all parameters."""
    return torch.stack([parameter.float().abs().sum() for parameter in model.parameters()]).sum()


METHODS = (
    Method(
        "l1-sparse",
        L1SparseConfig,
        unlearn,
        (RETAIN,),
        "arXiv 2304.04934",
        {"paper": L1SparseConfig()},
        accepts=("loss",),
    ),
)
