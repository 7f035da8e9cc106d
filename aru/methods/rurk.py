"""RURK: fine-tuning that unlearns the forget images' neighbourhoods: what is still recognised there is made to cost."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method, require_classes
from aru.methods.paired_batches import descend_pairs
from aru.methods.perturbed import climbed
from aru.train.batches import Batch
from aru.train.descent import DescentConfig, student
from aru.train.losses import task_loss


class RurkConfig(DescentConfig):
    """The radius is the source's; all other numbers are ours, as the source's could not be read."""

    epochs: int = Field(5, ge=0, le=10_000, description="passes over retain; forget is repeated beside it")
    weight_decay: float = Field(5e-4, ge=0)
    batchnorm: Literal["train", "eval"] = Field("eval", description="BatchNorm's mode throughout")
    radius: float = Field(0.03, ge=0, le=1, description="of the perturbation, in pixel values, which are in [0, 1]")
    steps: int = Field(1, ge=1, le=1000, description="sign steps of the perturbation, each radius / steps")
    forget_weight: float = Field(0.1, ge=0, description="of the loss on perturbed forget images that are recognised")


def unlearn(
    model: nn.Module, sets: Sets, config: RurkConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """min CE(D_r) - w mean 1[argmax f(x') = y] CE(f(x'), y), x' near x in D_f and moved towards y (arXiv 2601.22359).

    The term acts on what is recognised and ends where nothing is: it cannot run away as an ascent does.
    """
    require_classes(sets, "rurk")
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "rurk")

    def loss(retain: Batch, forget: Batch, _number: int) -> torch.Tensor:
        images, targets = retain
        near = recalled(result, *forget, config)
        kept = task_loss(result(images), targets)
        return kept - config.forget_weight * residual(result(near), forget[1])

    return descend_pairs(result, sets, config, loss, name="rurk", random=random, compute=compute, progress=progress)


def recalled(model: nn.Module, images: torch.Tensor, targets: torch.Tensor, config: RurkConfig) -> torch.Tensor:
    """The images moved towards their labels, by `radius` a pixel at most. Shape: (B, 3, H, W) in [0, 1], as the result."""

    def gain(moved: torch.Tensor) -> torch.Tensor:
        return -task_loss(model(moved), targets)

    return climbed(images, gain, steps=config.steps, step_size=config.radius / config.steps)


def residual(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the batch, in which images that are not recognised count 0. Shape: (B, C), (B,); a scalar."""
    recognised = logits.argmax(dim=1) == targets
    return (task_loss(logits, targets, reduction="none") * recognised).mean()


METHODS = (
    Method("rurk", RurkConfig, unlearn, (FORGET, RETAIN), "arXiv 2601.22359", {"ours": RurkConfig()}, multilabel=False),
)
