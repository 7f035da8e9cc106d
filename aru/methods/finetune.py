"""Fine-tune: go on training, on the retain set alone."""

from typing import Literal

from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Schedule, TrainConfig
from aru.core.names import RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method
from aru.nets.models import batchnorms
from aru.train.descent import finish, student, with_frozen_statistics
from aru.train.loop import fit
from aru.train.tasks import CLASSIFICATION, Task


class FinetuneMethodConfig(TrainConfig):
    """The benchmark's by default: SGD 1e-3 without momentum, BatchNorm frozen."""

    epochs: int = Field(2, ge=0, le=10_000)
    lr: float = Field(1e-3, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd only")
    schedule: Schedule = "constant"
    batchnorm: Literal["train", "eval"] = Field("eval", description="eval keeps the original's statistics")


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: FinetuneMethodConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """theta <- theta - lr grad CE(D_r), from the original; forgetting is left to catastrophe."""
    result = student(model, compute)
    loss = with_frozen_statistics(batchnorms(result), task.step) if config.batchnorm == "eval" else task.step
    fit(
        result,
        sets.retain,
        config,
        generator=generator(seed, "finetune"),
        compute=compute,
        loss=loss,
        task=task,
        progress=progress,
        text="fine-tune",
    )
    return finish(result)


_STARTING_KIT = FinetuneMethodConfig(
    epochs=5,
    batch_size=128,
    lr=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="epoch-cosine",
    augment=False,
    batchnorm="train",
)

METHODS = (
    Method(
        "finetune",
        FinetuneMethodConfig,
        unlearn,
        (RETAIN,),
        "arXiv 2311.02240; NeurIPS 2023 starting kit; 2410.01276",
        {
            "benchmark": FinetuneMethodConfig(),
            "starting-kit": _STARTING_KIT,
            "deepunlearn": _STARTING_KIT.model_copy(update={"batch_size": 256}),
        },
        accepts=("loss",),
    ),
)
