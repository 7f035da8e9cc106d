"""CF-k and EU-k: only the last k blocks learn again, from where they stand or from scratch."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.compute.modes import all_trained
from aru.core.config import TrainConfig
from aru.core.names import RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import Sets
from aru.methods.method import NOT_DRAWN, Method, drawable
from aru.nets.blocks import frozen_modules, last_blocks
from aru.nets.fresh import fresh
from aru.train.descent import finish, student, with_frozen_statistics
from aru.train.loop import Loss, fit
from aru.train.tasks import CLASSIFICATION, Task


class LastBlocksConfig(TrainConfig):
    """How many blocks learn, and how; the classifier is the first block counted (`aru.nets.blocks`)."""

    epochs: int = Field(10, ge=0, le=10_000)
    batch_size: int = Field(256, ge=2, le=8192)
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd only")
    milestones: tuple[int, ...] = Field((6, 9, 10), description="epochs after which step multiplies lr by gamma")
    blocks: int = Field(2, ge=1, le=1000, description="the last so many blocks are trained, the rest frozen")
    anchor: float = Field(0.05, ge=0, description="weight of the trained weights' squared distance to where they start")
    batchnorm: Literal["trained", "train", "eval"] = Field(
        "eval", description="whose statistics move: the trained blocks', those of all, none (nor does dropout act)"
    )


def catastrophic_forgetting(
    model: nn.Module,
    sets: Sets,
    config: LastBlocksConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """CF-k: theta = (theta_frozen, theta_k), theta_k <- theta_k - lr grad [CE(D_r) + anchor ||theta_k - theta_k,start||^2]
    (arXiv 2201.06640; the penalty is Deep Unlearn's, 2410.01276)."""
    return _train_last(
        student(model, compute), sets, config, seed=seed, compute=compute, progress=progress, text="cf-k", task=task
    )


def exact_unlearning(
    model: nn.Module,
    sets: Sets,
    config: LastBlocksConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """EU-k: as CF-k, but theta_k is drawn anew first, so that the last k blocks never saw D_f (arXiv 2201.06640)."""
    result = student(model, compute)
    drawn = fresh(model, seed=draw_seed(seed, "eu-k/init"))
    with torch.no_grad():
        for old, new in zip(last_blocks(result, config.blocks), last_blocks(drawn, config.blocks), strict=True):
            old.load_state_dict(new.state_dict())
    return _train_last(result, sets, config, seed=seed, compute=compute, progress=progress, text="eu-k", task=task)


def _train_last(
    model: nn.Module,
    sets: Sets,
    config: LastBlocksConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress,
    text: str,
    task: Task,
) -> nn.Module:
    trained = last_blocks(model, config.blocks)
    model.requires_grad_(False)
    for module in trained:
        all_trained(module)
    held = {"trained": frozen_modules(model, trained), "train": [], "eval": list(model.modules())}[config.batchnorm]
    fit(
        model,
        sets.retain,
        config,
        generator=generator(seed, text),
        compute=compute,
        loss=with_frozen_statistics(held, anchored(model, config.anchor, task.step)),
        task=task,
        progress=progress,
        text=text,
    )
    return finish(model)


def anchored(model: nn.Module, weight: float, loss: Loss) -> Loss:
    """`loss` and `weight` times the squared distance of the trainable parameters to what they are now."""
    if weight == 0:
        return loss
    starts = [(parameter, parameter.detach().clone()) for parameter in model.parameters() if parameter.requires_grad]

    def held(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, outputs = loss(model, images, targets)
        distance = torch.stack([(parameter.float() - start).square().sum() for parameter, start in starts]).sum()
        return value + weight * distance, outputs

    return held


METHODS = (
    Method(
        "cf-k",
        LastBlocksConfig,
        catastrophic_forgetting,
        (RETAIN,),
        "arXiv 2201.06640; 2311.02240; 2410.01276",
        {
            "benchmark": LastBlocksConfig(
                blocks=3, epochs=2, batch_size=64, lr=1e-3, anchor=0.0, batchnorm="train", schedule="constant"
            ),
            "deepunlearn": LastBlocksConfig(augment=False),
        },
        accepts=("loss",),
    ),
    Method(
        "eu-k",
        LastBlocksConfig,
        exact_unlearning,
        (RETAIN,),
        "arXiv 2201.06640; 2410.01276",
        {"deepunlearn": LastBlocksConfig()},
        check=drawable,
        cannot=NOT_DRAWN,
        accepts=("fresh", "loss"),
    ),
)
