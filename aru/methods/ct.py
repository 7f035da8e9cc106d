"""CT, convolution transpose: every kernel is mirrored on its diagonal, then fine-tuned."""

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Schedule, TrainConfig
from aru.core.errors import InputError
from aru.core.names import RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method
from aru.nets.adapted import kind_of
from aru.nets.computed_weights import require_own
from aru.train.descent import finish, student
from aru.train.loop import fit
from aru.train.tasks import CLASSIFICATION, Task


class CtConfig(TrainConfig):
    """The competition's fifth place."""

    epochs: int = Field(3, ge=0, le=10_000)
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Schedule = "epoch-cosine"
    augment: bool = Field(False, description="MUFAC's flips, affine maps and colour jitter")


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: CtConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """W[o, i, h, w] <- W[o, i, w, h] for every convolution, then CE(D_r) (arXiv 2406.09073, 2410.01276)."""
    result = student(model, compute)
    transpose(result)
    random = generator(seed, "ct")
    fit(result, sets.retain, config, generator=random, compute=compute, progress=progress, text="ct", task=task)
    return finish(result)


@torch.no_grad()
def transpose(model: nn.Module) -> None:
    """Swap height and width of every square kernel in place; twice is the identity.

    A network without a square kernel larger than 1 x 1 has nothing to transpose and is refused.
    """
    for weight in square_kernels(model):
        weight.copy_(weight.transpose(2, 3).clone())


def square_kernels(model: nn.Module) -> list[torch.Tensor]:
    """The weights of all convolutions with square kernels larger than 1 x 1, one that several layers share once.

    A network without one is refused, and one of which such a weight is computed from other parameters.
    """
    square: dict[int, torch.Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size[0] == module.kernel_size[1] > 1:
            require_own(name, module, "weight", action="transposed")
            square.setdefault(id(module.weight), module.weight)
    if not square:
        raise InputError(f"{kind_of(model)} has no square convolution kernel to transpose: use another method")
    return list(square.values())


METHODS = (
    Method(
        "ct",
        CtConfig,
        unlearn,
        (RETAIN,),
        "arXiv 2406.09073; 2410.01276",
        {"paper": CtConfig()},
        check=lambda model, config: square_kernels(model),
        cannot="networks without a square convolution kernel",
        accepts=("loss",),
    ),
)
