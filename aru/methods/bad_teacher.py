"""Bad Teacher: the student imitates a know-nothing on the forget set and the original on retain."""

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.compute.transfer import sent
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import Sets
from aru.methods.method import NOT_DRAWN, Method, drawable, require_classes
from aru.nets.fresh import fresh
from aru.train.batches import joined, load, passes, sample
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student, teacher
from aru.train.loop import batches_of
from aru.train.losses import distillation_loss
from aru.train.optimizers import make_optimizer


class BadTeacherConfig(DescentConfig):
    """The paper's: one pass of Adam 1e-4 over forget and 30 % of retain."""

    epochs: int = Field(1, ge=0, le=10_000)
    batch_size: int = Field(256, ge=2, le=8192)
    optimiser: Literal["sgd", "adam", "adamw"] = "adam"
    lr: float = Field(1e-4, gt=0)
    retain_share: float = Field(0.3, gt=0, le=1, description="of retain, drawn once")
    temperature: float = Field(1.0, gt=0)


def unlearn(
    model: nn.Module, sets: Sets, config: BadTeacherConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Minimise KL(T_bad || s) on D_f and KL(theta0 || s) on a part of D_r, in mixed batches (arXiv 2205.08096).

    T_bad is a freshly initialised network of the same architecture.
    """
    require_classes(sets, "bad-teacher")
    random = generator(seed, "bad-teacher")
    good, bad = teacher(model, compute), teacher(fresh(model, seed=draw_seed(seed, "bad-teacher/init")), compute)
    result = student(model, compute, batchnorm=config.batchnorm)
    kept = sample(sets.retain, max(1, round(config.retain_share * len(sets.retain))), generator=random)
    mixed = joined(kept, sets.forget)

    def steps() -> Iterator[Step]:
        for _ in range(config.epochs):
            for positions in batches_of(len(mixed), config.batch_size, random):
                images, _ = load(mixed, positions, generator=random, compute=compute, augmented=config.augment)
                forgotten = sent(positions >= len(kept), compute.device)
                wanted = lesson(good, bad, images, forgotten)
                yield Step(distillation_loss(result(images), wanted, temperature=config.temperature))

    total = config.epochs * passes(len(mixed), config.batch_size)
    descend(
        steps(),
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, total, "bad-teacher"),
    )
    return finish(result)


@torch.no_grad()
def lesson(good: nn.Module, bad: nn.Module, images: torch.Tensor, forgotten: torch.Tensor) -> torch.Tensor:
    """Logits to imitate: the bad teacher's where `forgotten` (B,) is true, else the good one's."""
    return torch.where(forgotten[:, None], bad(images).float(), good(images).float())


METHODS = (
    Method(
        "bad-teacher",
        BadTeacherConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2205.08096; 2410.01276",
        {
            "paper": BadTeacherConfig(),
            "deepunlearn": BadTeacherConfig(epochs=10, lr=0.01, retain_share=1.0, augment=False),
        },
        multilabel=False,
        check=drawable,
        cannot=NOT_DRAWN,
        accepts=("fresh",),
    ),
)
