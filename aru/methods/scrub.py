"""SCRUB: a student leaves its teacher on the forget set and stays with it on the retain set; with rewind."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import ImageSet, Sets
from aru.methods.matching import divided
from aru.methods.method import Method, require_classes
from aru.train.batches import BatchOptions, passes, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student, teacher
from aru.train.loop import predict
from aru.train.losses import distillation_loss, task_loss
from aru.train.optimizers import make_optimizer, set_lr
from aru.train.tasks import correct

State = dict[str, Any]
"""Of a model: its parameters and buffers by name, and what `get_extra_state` gives."""


class ScrubConfig(DescentConfig):
    """The benchmark's by default; `batch_size` is of retain."""

    epochs: int = Field(2, ge=0, le=10_000)
    lr: float = Field(1e-3, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd only")
    forget_batch_size: int = Field(64, ge=2, le=8192)
    temperature: float = Field(4.0, gt=0)
    alpha: float = Field(1.0, ge=0, description="weight of the KL divergence on retain")
    gamma: float = Field(1.0, ge=0, description="weight of the cross-entropy on retain")
    forget_epochs: int = Field(2, ge=0, le=10_000, description="the first so many epochs include a pass over forget")
    first: Literal["retain", "forget"] = Field("retain", description="which set an epoch begins with")
    decay: float = Field(1.0, gt=0, le=1, description="factor of lr after each of `milestones`")
    milestones: tuple[int, ...] | None = Field(None, description="epochs; null: 50, 80 and 90 % of them")
    rewind: bool = Field(
        False,
        description="to the epoch whose forget error is nearest to that of the last epoch on retain images held out, "
        "of forget's classes",
    )
    held_out: float = Field(0.2, gt=0, lt=1, description="of retain, drawn once, not trained on; with `rewind` alone")
    reference_error: float | None = Field(
        None,
        ge=0,
        le=1,
        description="rewind to the epoch whose forget error is nearest to this error on people never seen, whatever `rewind` "
        "says, and hold nothing out; measured elsewhere, never on test or unseen",
    )
    first_checkpoint: Literal[0, 1] = Field(1, description="the earliest epoch to rewind to; 0 is the original")


def unlearn(
    model: nn.Module, sets: Sets, config: ScrubConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Alternate max KL(teacher || student) on D_f and min alpha KL + gamma CE on D_r (arXiv 2302.09880).

    With `rewind` ("SCRUB+R") the end of each epoch is a checkpoint, and the one is returned whose error on D_f is
    nearest to what the last student's is on images that it was not trained on; with `reference_error`, to that number.
    Preset `paper` is the authors' small-scale notebook, `rewind` their notebook of attacks, `scrubv2` what Deep Unlearn
    reports as SCRUB, `deepunlearn` its older one. Raises InputError for a retain set of one image, of which nothing can
    be held out.
    """
    require_classes(sets, "scrub")
    fixed, result = teacher(model, compute), student(model, compute, batchnorm=config.batchnorm)
    random, optimizer = generator(seed, "scrub"), make_optimizer(result.parameters(), config)
    reference: float | ImageSet | None = config.reference_error
    if config.rewind and reference is None:
        held, kept = divided(sets.retain, config.held_out, "scrub", generator=generator(seed, "scrub, held out"))
        reference, sets = of_classes(held, sets.forget.targets), replace(sets, retain=kept)
    retain_steps = passes(len(sets.retain), config.batch_size)
    forget_steps = passes(len(sets.forget), config.forget_batch_size)
    total = config.epochs * retain_steps + min(config.epochs, config.forget_epochs) * forget_steps
    step_done = counter(progress, total, "scrub")
    checkpoints: dict[float, State] = {}  # by error on forget, the earliest epoch of each
    for epoch in range(config.epochs + 1):
        if epoch:
            set_lr(optimizer, config.lr * decayed(config, epoch))
            descend(
                _epoch(result, fixed, sets, config, epoch, random, compute),
                optimizer,
                compute=compute,
                generator=random,
                step_done=step_done,
            )
        if reference is not None and epoch >= config.first_checkpoint:
            checkpoints.setdefault(error_on(result, sets.forget, compute), _weights(result))
    if reference is not None and checkpoints:
        wanted = error_on(result, reference, compute) if isinstance(reference, ImageSet) else reference
        result.load_state_dict(checkpoints[nearest(list(checkpoints), wanted)])
    return finish(result)


def decayed(config: ScrubConfig, epoch: int) -> float:
    """The factor of the learning rate in epoch 1, 2, ..."""
    ends = config.milestones
    if ends is None:
        ends = tuple(int(config.epochs * share) for share in (0.5, 0.8, 0.9))
    return config.decay ** sum(epoch > end for end in ends)


def nearest(errors: list[float], reference: float) -> float:
    """The error that is nearest to the reference, of two that are equally near the earlier."""
    return min(errors, key=lambda error: abs(error - reference))


def of_classes(data: ImageSet, classes: torch.Tensor) -> ImageSet:
    """The images of these classes; all of them where there is none."""
    here = np.flatnonzero(torch.isin(data.targets, classes).numpy())
    return data.take(here) if len(here) else data


def error_on(model: nn.Module, data: ImageSet, compute: Compute) -> float:
    """The share of `data` that the model gets wrong."""
    return 1 - correct(predict(model, data, compute=compute), data.targets).item() / len(data)


def _weights(model: nn.Module) -> State:
    return {
        name: value.detach().cpu().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)  # an extra state
        for name, value in model.state_dict().items()
    }


def _epoch(
    result: nn.Module, fixed: nn.Module, sets: Sets, config: ScrubConfig, epoch: int, random: torch.Generator, compute: Compute
) -> Iterator[Step]:
    def divergence(images: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            wanted = fixed(images)
        return distillation_loss(logits, wanted, temperature=config.temperature)

    options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}

    def leave() -> Iterator[Step]:
        for images, _ in shuffled(sets.forget, config.forget_batch_size, **options):
            yield Step(-divergence(images, result(images)))

    def stay() -> Iterator[Step]:
        for images, targets in shuffled(sets.retain, config.batch_size, **options):
            logits = result(images)
            yield Step(config.gamma * task_loss(logits, targets) + config.alpha * divergence(images, logits))

    rounds = [stay, leave] if config.first == "retain" else [leave, stay]
    for take in rounds:
        if take is stay or epoch <= config.forget_epochs:
            yield from take()


METHODS = (
    Method(
        "scrub",
        ScrubConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2302.09880; 2311.02240; 2410.01276",
        {
            "benchmark": ScrubConfig(),
            "paper": ScrubConfig(
                epochs=3,
                batch_size=128,
                forget_batch_size=32,
                lr=5e-4,
                momentum=0.9,
                weight_decay=5e-4,
                alpha=0.001,
                gamma=0.99,
                forget_epochs=2,
                first="forget",
            ),
            "rewind": ScrubConfig(
                epochs=5,
                batch_size=32,
                forget_batch_size=16,
                lr=5e-4,
                momentum=0.9,
                weight_decay=5e-4,
                alpha=0.5,
                forget_epochs=3,
                first="forget",
                decay=0.1,
                milestones=(3,),
                augment=False,
                rewind=True,
                first_checkpoint=0,
            ),
            "scrubv2": ScrubConfig(
                epochs=5,
                batch_size=32,
                lr=5e-4,
                momentum=0.9,
                weight_decay=5e-4,
                temperature=2.0,
                alpha=0.5,
                forget_epochs=3,
                first="forget",
                decay=0.1,
                augment=False,
                rewind=True,
                first_checkpoint=0,
            ),
            "deepunlearn": ScrubConfig(
                epochs=10,
                batch_size=32,
                optimiser="adam",
                lr=5e-4,
                weight_decay=0.1,
                temperature=2.0,
                alpha=0.5,
                gamma=1.0,
                forget_epochs=3,
                first="forget",
                decay=0.1,
                augment=False,
            ),
        },
        multilabel=False,
    ),
)
