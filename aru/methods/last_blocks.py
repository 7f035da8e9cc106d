"""CF-k and EU-k: only the last k blocks learn again, from where they stand or from scratch."""

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.config import TrainConfig
from aru.core.names import RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import Sets
from aru.methods.method import NOT_DRAWN, Method, drawable
from aru.nets.blocks import frozen_modules, last_blocks
from aru.nets.fresh import fresh
from aru.train.descent import finish, student, with_frozen_statistics
from aru.train.loop import fit
from aru.train.tasks import CLASSIFICATION, Task


class LastBlocksConfig(TrainConfig):
    """How many blocks learn, and how; the classifier is the first block counted (`aru.nets.blocks`)."""

    epochs: int = Field(10, ge=0, le=10_000)
    weight_decay: float = Field(0.1, ge=0)
    milestones: tuple[int, ...] = Field((5, 8, 9), description="epochs after which step multiplies lr by gamma")
    blocks: int = Field(2, ge=1, le=1000, description="the last so many blocks are trained, the rest frozen")


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
    """CF-k: theta = (theta_frozen, theta_k), theta_k <- theta_k - lr grad CE(D_r) (arXiv 2201.06640)."""
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
        module.requires_grad_(True)
    fit(
        model,
        sets.retain,
        config,
        generator=generator(seed, text),
        compute=compute,
        loss=with_frozen_statistics(frozen_modules(model, trained), task.step),
        task=task,
        progress=progress,
        text=text,
    )
    return finish(model)


METHODS = (
    Method(
        "cf-k",
        LastBlocksConfig,
        catastrophic_forgetting,
        (RETAIN,),
        "arXiv 2201.06640; 2311.02240; 2410.01276",
        {
            "benchmark": LastBlocksConfig(blocks=3, epochs=2, lr=1e-3, momentum=0.0, weight_decay=0.0, schedule="constant"),
            "deepunlearn": LastBlocksConfig(),
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
