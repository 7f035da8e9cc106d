"""SAFER: retain images cluster by class, forget images answer anything but their class."""

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from aru.compute.device import Compute
from aru.compute.transfer import sent
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method, require_classes
from aru.methods.paired_batches import descend_pairs
from aru.nets.classifier_input import logits_and_features
from aru.nets.models import classifier
from aru.train.batches import Batch
from aru.train.descent import DescentConfig, student
from aru.train.losses import task_loss


class SaferConfig(DescentConfig):
    """All numbers are ours: the source's could not be read."""

    epochs: int = Field(5, ge=0, le=10_000, description="passes over retain; forget is repeated beside it")
    weight_decay: float = Field(5e-4, ge=0)
    forget_weight: float = Field(0.1, ge=0, description="of the loss of forget's random targets")
    compactness: float = Field(0.1, ge=0, description="weight of the spread of retain's features within a class")
    separation: float = Field(0.1, ge=0, description="weight of the likeness of retain's features between classes")


def unlearn(
    model: nn.Module, sets: Sets, config: SaferConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """min CE(D_r) + a within(D_r) + b between(D_r) + c CE(f(x_f), t), t random over all classes but x_f's (arXiv 2604.19108).

    The source gives the features a latent variable for each class; that module could not be read and is left out: the two
    regularisers act on the features themselves, as directions.
    """
    require_classes(sets, "safer")
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "safer")

    def loss(retain: Batch, forget: Batch, _number: int) -> torch.Tensor:
        (images, targets), (forgotten, labels) = retain, forget
        logits, features = logits_and_features(result, images)
        within, between = clustering(features, targets)
        wanted = other_classes(labels, sets.forget.outputs, generator=random)
        lost = functional.cross_entropy(result(forgotten).float(), wanted)
        kept = task_loss(logits, targets) + config.compactness * within + config.separation * between
        return kept + config.forget_weight * lost

    return descend_pairs(result, sets, config, loss, name="safer", random=random, compute=compute, progress=progress)


def clustering(features: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How far directions of features lie from the mean of their class, squared, and how alike two classes' means are.

    Shape:
        features: (B, K); targets: (B,) int64; result: two scalars, from 0 to 1: a mean over images, and one over pairs of
        classes of max(0, cosine), 0 for a batch of one class.
    """
    directions = functional.normalize(features.float(), dim=1)
    classes, member, counts = targets.unique(return_inverse=True, return_counts=True)
    sums = directions.new_zeros(len(classes), directions.shape[1]).index_add(0, member, directions)
    centres = sums / counts[:, None]
    within = (directions - centres[member]).square().sum(dim=1).mean()
    if len(classes) == 1:
        return within, within.new_zeros(())
    first, second = torch.triu_indices(len(classes), len(classes), offset=1, device=features.device)
    return within, functional.cosine_similarity(centres[first], centres[second]).relu().mean()


def other_classes(targets: torch.Tensor, outputs: int, *, generator: torch.Generator) -> torch.Tensor:
    """Probabilities for each image, uniform over all distributions that give its own class none.

    Shape:
        targets: (B,) int64; result: (B, outputs) float32, on the device of `targets`.
    """
    mass = -torch.rand(len(targets), outputs, generator=generator, dtype=torch.float32).clamp_min(1e-12).log()
    others = sent(mass, targets.device).scatter(1, targets[:, None], 0)
    return others / others.sum(dim=1, keepdim=True)


def has_classifier(model: nn.Module, config: object) -> None:
    """The check: refuse a network without a layer to find features before."""
    classifier(model)


METHODS = (
    Method(
        "safer",
        SaferConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2604.19108",
        {"ours": SaferConfig()},
        multilabel=False,
        check=has_classifier,
        cannot="networks without a Linear layer and a convolution",
    ),
)
