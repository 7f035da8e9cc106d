"""ARU: attack, mask, reset, fine-tune, as one function."""

import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Config, FinetuneConfig
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import ImageSet, Sets
from aru.methods.aru.attack import attack
from aru.methods.aru.masking import mask
from aru.methods.aru.resetting import reset
from aru.nets.models import build
from aru.train.checkpoint import Checkpoint
from aru.train.loop import Loss, fit, supervised
from aru.train.losses import distillation_loss, task_loss


def unlearn(model: nn.Module, sets: Sets, config: Config, *, compute: Compute, progress: Progress = silent) -> nn.Module:
    """A new model that has unlearned `sets.forget`; the one given is not changed (arXiv 2401.08998).

    The stages of the flow do the same from files to files, with the same seeds, and end in the same weights.
    """
    seed = config.runtime.seed
    noise = attack(model, sets.forget, config.attack, generator=generator(seed, "attack"), compute=compute, progress=progress)
    _, marked = mask(
        model,
        sets.forget,
        noise,
        config.mask,
        generator=generator(seed, "mask"),
        compute=compute,
        retain=sets.retain,
        progress=progress,
    )
    unlearned, _ = reset_and_finetune(model, marked, sets.retain, config, compute=compute, progress=progress)
    return unlearned


def reset_and_finetune(
    model: nn.Module,
    marked: dict[str, torch.Tensor],
    retain: ImageSet,
    config: Config,
    *,
    compute: Compute,
    progress: Progress = silent,
    checkpoint: Checkpoint | None = None,
) -> tuple[nn.Module, list[dict[str, float]]]:
    """Stages 2b and 3: the unlearned model and the fine-tune's history. Only `retain` is ever seen."""
    resolution = config.data.resolution
    fresh = build(config.model.name, retain.outputs, resolution=resolution, seed=draw_seed(config.runtime.seed, "reset"))
    unlearned = reset(model, fresh, marked, config.reset, resolution=resolution)
    history = fit(
        unlearned,
        retain,
        config.finetune,
        generator=generator(config.runtime.seed, "finetune"),
        compute=compute,
        loss=finetune_loss(model, config.finetune, compute=compute),
        progress=progress,
        text="fine-tune",
        lr_name="finetune.lr",
        checkpoint=checkpoint,
    )
    return unlearned, history


def finetune_loss(original: nn.Module, config: FinetuneConfig, *, compute: Compute) -> Loss:
    """The task's loss, or with ``config.distillation`` = w: (1 - w) loss + w KL to the original on the same images.

    The teacher answers in evaluation mode on retain images alone. Multi-label outputs are no softmax: refused.
    """
    if config.distillation == 0:
        return supervised
    teacher = compute.twin(original).eval().requires_grad_(False)

    def loss(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if targets.is_floating_point():
            raise InputError("finetune.distillation is not defined for the multi-label task: set it to 0")
        logits = model(images)
        with torch.no_grad():
            wanted = teacher(images)
        distilled = distillation_loss(logits, wanted, temperature=config.temperature)
        return (1 - config.distillation) * task_loss(logits, targets) + config.distillation * distilled, logits

    return loss
