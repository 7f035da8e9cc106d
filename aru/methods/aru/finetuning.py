"""ARU, step 4: the reset model is trained on the retain set alone."""

import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.distributed import ALONE, Group
from aru.core.config import FinetuneConfig
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import ImageSet
from aru.train.checkpoint import Checkpoint
from aru.train.descent import finish, teacher
from aru.train.history import History
from aru.train.loop import Loss, fit
from aru.train.losses import distillation_loss, task_loss
from aru.train.tasks import CLASSIFICATION, Task


def finetune(
    model: nn.Module,
    original: nn.Module,
    retain: ImageSet,
    config: FinetuneConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    checkpoint: Checkpoint | None = None,
    task: Task = CLASSIFICATION,
    group: Group = ALONE,
) -> History:
    """Train `model` in place, on the device, and return a record of each epoch. Only `retain` is read.

    `original` is the teacher where ``config.distillation`` is above 0. The stage `finetune`, the method `aru` and the
    library call this with the seed of the run; checkpoint and group are as in `aru.train.loop.fit`.
    """
    history = fit(
        model,
        retain,
        config,
        generator=generator(seed, "finetune"),
        compute=compute,
        loss=finetune_loss(original, config, compute=compute, task=task),
        task=task,
        progress=progress,
        text="fine-tune",
        lr_name="finetune.lr",
        checkpoint=checkpoint,
        group=group,
    )
    finish(model)
    return history


def finetune_loss(original: nn.Module, config: FinetuneConfig, *, compute: Compute, task: Task = CLASSIFICATION) -> Loss:
    """The task's loss, or with ``config.distillation`` = w: (1 - w) loss + w KL to the original on the same images.

    The teacher answers in evaluation mode on retain images alone. Multi-label outputs are no softmax, and another task has no
    logits that could be compared: refused.
    """
    if config.distillation == 0:
        return task.step
    if task is not CLASSIFICATION:
        raise InputError(f"finetune.distillation is not defined for task {task.name!r}: set it to 0")
    fixed = teacher(original, compute)

    def loss(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if targets.is_floating_point():
            raise InputError("finetune.distillation is not defined for the multi-label task: set it to 0")
        logits = model(images)
        with torch.no_grad():
            teacher_logits = fixed(images)
        distilled = distillation_loss(logits, teacher_logits, temperature=config.temperature)
        return (1 - config.distillation) * task_loss(logits, targets) + config.distillation * distilled, logits

    return loss
