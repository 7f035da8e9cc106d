"""GLI: train on retain images that are pushed away from what the forget images look like, guided by their own labels."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method
from aru.methods.paired_batches import descend_pairs, pair_steps
from aru.methods.perturbed import climbed
from aru.train.batches import Batch
from aru.train.descent import DescentConfig, student
from aru.train.losses import task_loss


class GliConfig(DescentConfig):
    """The released notebook's parameters (MUFAC)."""

    epochs: int = Field(1, ge=0, le=10_000)
    lr: float = Field(1e-3, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd only")
    batchnorm: Literal["train", "eval"] = Field("eval", description="BatchNorm's mode throughout")
    noise_steps: int = Field(2, ge=0, le=1000)
    noise_step_size: float = Field(0.01, ge=0, le=1, description="in pixel values, which are in [0, 1]")
    first_guidance: float = Field(200.0, ge=0, description="weight of the label's loss at the first step")
    last_guidance: float = Field(1000.0, ge=0, description="towards which it grows linearly: reached one step after the last")


def unlearn(
    model: nn.Module, sets: Sets, config: GliConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """min CE(f(x_r + n), y_r), n a few sign steps up ||f(x_r + n) - f(x_f)||^2 - w CE(f(x_r + n), y_r).

    Guided Loss-Increasing (CVPR Workshops 2024; openreview gOEwBz9Oyt) as its authors' notebook for MUFAC computes it. The
    forget images are never trained on. The notebook ends where its score on test and unseen images is best; here the length
    is `epochs` passes over D_r, because evaluation never chooses.
    """
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "gli")
    total = pair_steps(sets, config)

    def loss(retain: Batch, forget: Batch, number: int) -> torch.Tensor:
        (images, targets), others = retain, forget[0]
        count = min(len(images), len(others))
        weight = config.first_guidance + (config.last_guidance - config.first_guidance) * number / total
        moved = guided(result, (images[:count], targets[:count]), others[:count], config, weight=weight)
        return task_loss(result(moved), targets[:count])

    return descend_pairs(result, sets, config, loss, name="gli", random=random, compute=compute, progress=progress)


def guided(model: nn.Module, retain: Batch, forget: torch.Tensor, config: GliConfig, *, weight: float) -> torch.Tensor:
    """Retain images moved away from the outputs of forget images, towards their own labels; no weight changes.

    Shape:
        retain: (B, 3, H, W) in [0, 1] and targets; forget: (B, 3, H, W) in [0, 1]; result: (B, 3, H, W) in [0, 1].
    """
    images, targets = retain
    with torch.no_grad():
        away = model(forget).float()

    def gain(moved: torch.Tensor) -> torch.Tensor:
        outputs = model(moved)
        return functional.mse_loss(outputs.float(), away) - weight * task_loss(outputs, targets)

    return climbed(images, gain, steps=config.noise_steps, step_size=config.noise_step_size)


METHODS = (
    Method(
        "gli", GliConfig, unlearn, (FORGET, RETAIN), "CVPR Workshops 2024, openreview gOEwBz9Oyt", {"benchmark": GliConfig()}
    ),
)
