"""Advanced NegGrad (NG+): climb the forget set's loss while descending the retain set's."""

from collections.abc import Iterator

from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method
from aru.train.batches import BatchOptions, endless, passes, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.optimizers import make_optimizer
from aru.train.tasks import CLASSIFICATION, Task


class AdvancedNegGradConfig(DescentConfig):
    """The benchmark's by default: both losses at full weight, SGD 1e-3 without momentum."""

    epochs: int = Field(2, ge=0, le=10_000, description="passes over retain; forget is repeated beside it")
    lr: float = Field(1e-3, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd only")
    retain_weight: float = Field(1.0, ge=0)
    forget_weight: float = Field(1.0, ge=0)


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: AdvancedNegGradConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """Minimise a CE(D_r) - b CE(D_f), a batch of each a step (arXiv 2302.09880, 2311.02240).

    a = b = 1 in the benchmark; a = alpha = 0.95, b = 1 - alpha in NG+ as Deep Unlearn runs it.
    """
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "advanced-neggrad")

    def steps() -> Iterator[Step]:
        options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}
        forget = endless(sets.forget, config.batch_size, **options)
        for _ in range(config.epochs):
            for images, targets in shuffled(sets.retain, config.batch_size, **options):
                forget_images, forget_targets = next(forget)
                kept = task.step(result, images, targets)[0]
                lost = task.step(result, forget_images, forget_targets)[0]
                yield Step(config.retain_weight * kept - config.forget_weight * lost)

    total = config.epochs * passes(len(sets.retain), config.batch_size)
    descend(
        steps(),
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, total, "advanced-neggrad"),
    )
    return finish(result)


METHODS = (
    Method(
        "advanced-neggrad",
        AdvancedNegGradConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2311.02240; 2302.09880; 2410.01276",
        {
            "benchmark": AdvancedNegGradConfig(),
            "deepunlearn": AdvancedNegGradConfig(
                epochs=10,
                batch_size=256,
                lr=0.01,
                momentum=0.9,
                retain_weight=0.95,
                forget_weight=0.05,
                augment=False,
                batchnorm="eval",
            ),
        },
        accepts=("loss",),
    ),
)
