"""SSD, selective synaptic dampening: weights that matter far more to the forget set than to all are shrunk, no training."""

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Section
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.data.images import Sets
from aru.methods.importance import GradientOptions, Gradients, importance
from aru.methods.method import Method
from aru.train.descent import finish
from aru.train.tasks import CLASSIFICATION, Task


class SsdConfig(Section):
    """The paper's, for a ResNet18."""

    alpha: float = Field(10.0, gt=0, description="a weight is dampened where its importance ratio is above this")
    lam: float = Field(1.0, gt=0, description="strength: the factor is min(lam F_D / F_f, 1)")
    batch_size: int = Field(64, ge=1, le=8192, description="images whose mean gradient is squared")


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: SsdConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """theta_i <- theta_i min(lam F_D,i / F_f,i, 1) where F_f,i > alpha F_D,i (arXiv 2308.07707).

    F_D and F_f are the importances over forget and retain together, and over forget alone. Nothing is random.
    """
    options: GradientOptions = {
        "batch_size": config.batch_size,
        "compute": compute,
        "progress": progress,
        "text": "ssd",
        "task": task,
    }
    of_all, of_forget = importance(model, sets.train, **options), importance(model, sets.forget, **options)
    result = compute.placed_copy(model)
    dampen(result, of_all, of_forget, config)
    return finish(result)


@torch.no_grad()
def dampen(model: nn.Module, of_all: Gradients, of_forget: Gradients, config: SsdConfig) -> None:
    """Shrink the selected parameters in place; the others are not touched by a bit."""
    for name, parameter in model.named_parameters():
        selected = of_forget[name] > config.alpha * of_all[name]
        factor = (config.lam * of_all[name] / of_forget[name]).clamp(max=1)
        parameter.copy_(torch.where(selected, parameter * factor, parameter))


METHODS = (
    Method(
        "ssd",
        SsdConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2308.07707",
        {"paper": SsdConfig()},
        deterministic=True,
        accepts=("loss",),
    ),
)
