"""ReGUn: answer on forget images as the original answers, on the whole, on others of their classes."""

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.matching import same_classes
from aru.methods.method import Method, require_classes
from aru.methods.paired_batches import descend_pairs
from aru.train.batches import Batch
from aru.train.descent import DescentConfig, student, teacher
from aru.train.losses import distillation_loss, task_loss


class ReGUnConfig(DescentConfig):
    """All numbers are ours: the source's could not be read."""

    epochs: int = Field(5, ge=0, le=10_000, description="passes over retain; forget is repeated beside it")
    weight_decay: float = Field(5e-4, ge=0)
    forget_weight: float = Field(1.0, ge=0, description="of the divergence on forget")
    references: int = Field(1, ge=1, le=1000, description="images of the same classes, for each forget image of a batch")


def unlearn(
    model: nn.Module, sets: Sets, config: ReGUnConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """min CE(D_r) + w KL(q(B_f) || p(B_f)), q(B_f) the mean of theta0's probabilities on images of B_f's classes
    (arXiv 2603.11210). These are held out from training there; here they are of D_r, because no method reads people who are
    evaluated on."""
    require_classes(sets, "regun")
    fixed, result = teacher(model, compute), student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "regun")

    def loss(retain: Batch, forget: Batch, _number: int) -> torch.Tensor:
        (images, targets), (forgotten, labels) = retain, forget
        beside = same_classes(labels.repeat(config.references), sets.retain.targets, generator=random)
        wanted = reference(fixed, sets.retain.batch(beside, compute.device)[0]).expand(len(labels), -1)
        kept = task_loss(result(images), targets)
        return kept + config.forget_weight * distillation_loss(result(forgotten), wanted, temperature=1.0)

    return descend_pairs(result, sets, config, loss, name="regun", random=random, compute=compute, progress=progress)


@torch.no_grad()
def reference(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The logarithm of the model's mean probabilities over a batch. Shape: images (B, 3, H, W) in [0, 1]; result (1, C)."""
    return functional.log_softmax(model(images).float(), dim=1).exp().mean(dim=0, keepdim=True).log()


METHODS = (
    Method("regun", ReGUnConfig, unlearn, (FORGET, RETAIN), "arXiv 2603.11210", {"ours": ReGUnConfig()}, multilabel=False),
)
