"""SSD, selective synaptic dampening: weights that matter far more to the forget set than to all are shrunk, no training."""

import math
from typing import Literal

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
    """The adaptive form's (arXiv 2402.10098) by default, which acts at any share of forget."""

    selection: Literal["adaptive", "alpha"] = Field(
        "adaptive", description="how many weights are dampened: a share that the forget share gives, or by alpha"
    )
    alpha: float = Field(
        10.0, gt=0, description="a weight is dampened where its importance ratio is above this; for alpha alone"
    )
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

    F_D and F_f are the importances over forget and retain together, and over forget alone. Nothing is random. F_D holds
    F_f: where forget's batches are among all, no ratio is above the number of all by that of forget's, and at a forget share
    of 15 % an alpha of 10 selects hardly anything. With selection ``adaptive`` alpha is the ratio's percentile
    100 - ln(1 + 100 |D_f| / |D|) (arXiv 2402.10098).
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
    alpha = config.alpha
    if config.selection == "adaptive":
        alpha = adaptive_alpha(of_all, of_forget, len(sets.forget) / len(sets.train))
    dampen(result, of_all, of_forget, alpha=alpha, lam=config.lam)
    return finish(result)


@torch.no_grad()
def dampen(model: nn.Module, of_all: Gradients, of_forget: Gradients, *, alpha: float, lam: float) -> None:
    """Shrink the selected parameters in place; the others are not touched by a bit."""
    parameters = dict(model.named_parameters())
    for name in of_all:  # whole numbers have no gradient
        parameter = parameters[name]
        selected = of_forget[name] > alpha * of_all[name]
        factor = (lam * of_all[name] / of_forget[name]).clamp(max=1)
        parameter.copy_(torch.where(selected, parameter * factor, parameter))


def adaptive_alpha(of_all: Gradients, of_forget: Gradients, forget_share: float) -> float:
    """The ratio that ln(1 + 100 forget_share) percent of all weights are above, ties aside; 0 / 0 counts as 0."""
    ratios = torch.cat([(of_forget[name] / value).nan_to_num(nan=0.0).flatten() for name, value in of_all.items()])
    above = min(len(ratios) - 1, int(math.log1p(100 * forget_share) / 100 * len(ratios)))
    return float(ratios.kthvalue(len(ratios) - above).values)


METHODS = (
    Method(
        "ssd",
        SsdConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2308.07707; 2402.10098",
        {"adaptive": SsdConfig(), "paper": SsdConfig(selection="alpha", batch_size=128)},
        deterministic=True,
        accepts=("loss",),
    ),
)
