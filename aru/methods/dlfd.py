"""DLFD: train on retain images whose outputs are moved, as a distribution, away from those of the forget images."""

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
from aru.methods.paired_batches import descend_pairs, pair_steps
from aru.methods.perturbed import climbed
from aru.methods.transport import transport_cost
from aru.train.batches import Batch
from aru.train.descent import DescentConfig, student
from aru.train.losses import task_loss


class DlfdConfig(DescentConfig):
    """The released notebook's for MUFAC; `distanced` is ours."""

    epochs: int = Field(1, ge=0, le=10_000)
    batch_size: int = Field(32, ge=2, le=8192)
    lr: float = Field(8e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    augment: bool = Field(False, description="MUFAC's flips, affine maps and colour jitter")
    batchnorm: Literal["train", "eval"] = Field("eval", description="BatchNorm's mode throughout")
    noise_steps: int = Field(15, ge=0, le=1000)
    noise_step_size: float = Field(0.4, ge=0, le=1, description="in pixel values, which are in [0, 1]")
    forget_weight: float = Field(3.0, ge=0, description="of the distance from forget, in what the noise climbs")
    first_retain_weight: float = Field(0.0, ge=0, description="of the label's loss at the first step")
    last_retain_weight: float = Field(1.0, ge=0, description="the same at the last step; it grows linearly")
    entropy: float = Field(0.01, gt=0, description="of the transport plan")
    sinkhorn_steps: int = Field(50, ge=1, le=10_000)
    distanced: float = Field(1.0, ge=0, le=1, description="the first so large a share of the steps is of moved images")


def unlearn(
    model: nn.Module, sets: Sets, config: DlfdConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """min CE(f(x_r + n), y_r), n some sign steps up a OT(f(x_r + n), f(x_f)) - b CE(f(x_r + n), y_r) (arXiv 2409.14747).

    Its authors' code drops the noise while its attack on validation people says that enough is forgotten, and keeps the
    weights of the best step by their accuracy; here `distanced` says when, and the end is the end: evaluation never chooses.
    """
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "dlfd")
    total = pair_steps(sets, config)

    def loss(retain: Batch, forget: Batch, number: int) -> torch.Tensor:
        images, targets = retain
        if number < config.distanced * total:
            done = number / max(1, total - 1)
            weight = config.first_retain_weight + (config.last_retain_weight - config.first_retain_weight) * done
            images = distanced(result, retain, forget[0], config, weight=weight)
        return task_loss(result(images), targets)

    return descend_pairs(result, sets, config, loss, name="dlfd", random=random, compute=compute, progress=progress)


def distanced(model: nn.Module, retain: Batch, forget: torch.Tensor, config: DlfdConfig, *, weight: float) -> torch.Tensor:
    """Retain images whose outputs lie further from those of the forget images, and near their labels by `weight`.

    Shape:
        retain: (B, 3, H, W) in [0, 1] and targets; forget: (M, 3, H, W) in [0, 1]; result: (B, 3, H, W) in [0, 1].
    """
    images, targets = retain
    with torch.no_grad():
        away = model(forget)

    def gain(moved: torch.Tensor) -> torch.Tensor:
        outputs = model(moved)
        apart = transport_cost(outputs, away, entropy=config.entropy, steps=config.sinkhorn_steps)
        return config.forget_weight * apart - weight * task_loss(outputs, targets)

    return climbed(images, gain, steps=config.noise_steps, step_size=config.noise_step_size)


METHODS = (
    Method(
        "dlfd",
        DlfdConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2409.14747, code Dasol-Choi/DLFD",
        {"paper": DlfdConfig()},
    ),
)
