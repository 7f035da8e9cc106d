"""NegGrad: climb the loss of the forget set."""

from collections.abc import Iterator

from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method
from aru.train.batches import endless, passes
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.optimizers import make_optimizer
from aru.train.tasks import CLASSIFICATION, Task


class NegGradConfig(DescentConfig):
    """The benchmark's: SGD 1e-3 without momentum, as many steps as two passes over retain make (268 on MUFAC)."""

    epochs: int = Field(2, ge=0, le=10_000, description="counted in passes over retain, of which only the size is used")
    lr: float = Field(1e-3, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd only")


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: NegGradConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """theta <- theta + lr grad CE(D_f) (Golatkar et al. 2020; arXiv 2311.02240). Nothing holds the rest in place."""
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "neggrad")
    total = config.epochs * passes(len(sets.retain), config.batch_size)

    def steps() -> Iterator[Step]:
        batches = endless(sets.forget, config.batch_size, generator=random, compute=compute, augmented=config.augment)
        for _, (images, targets) in zip(range(total), batches, strict=False):
            yield Step(-task.step(result, images, targets)[0])

    descend(
        steps(),
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, total, "neggrad"),
    )
    return finish(result)


METHODS = (
    Method(
        "neggrad",
        NegGradConfig,
        unlearn,
        (FORGET,),
        "arXiv 2311.02240",
        {"benchmark": NegGradConfig()},
        accepts=("loss",),
    ),
)
