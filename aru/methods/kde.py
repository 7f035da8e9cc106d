"""KDE: the first convolution and the classifier start anew and are taught by the original."""

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Schedule, TrainConfig
from aru.core.errors import InputError
from aru.core.names import RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator, seeded
from aru.data.images import Sets
from aru.methods.method import Method, require_classes
from aru.nets.adapted import Adapted, kind_of
from aru.nets.computed_weights import FRESH, require_own
from aru.nets.fresh import drawn_by_caller
from aru.nets.models import classifier_layer
from aru.train.descent import finish, student, teacher
from aru.train.loop import Loss, fit
from aru.train.losses import distillation_loss, task_loss


class KdeConfig(TrainConfig):
    """The competition's sixth place; `epochs`, `lr` and `schedule` are the second stage's."""

    epochs: int = Field(3, ge=0, le=10_000)
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Schedule = "epoch-cosine"
    augment: bool = Field(False, description="MUFAC's flips, affine maps and colour jitter")
    warmup_epochs: int = Field(3, ge=0, le=10_000, description="of pure distillation, at a constant warmup_lr")
    warmup_lr: float = Field(9e-4, gt=0)
    temperature: float = Field(5.0, gt=0)


def unlearn(
    model: nn.Module, sets: Sets, config: KdeConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Reset the ends; min KL(theta0 || s); min CE + H(theta0, s) + KL(theta0 || s), softened by T (arXiv 2410.01276).

    The source distils on validation images first. Held-out people are for evaluation here, so both stages see D_r alone.
    """
    require_classes(sets, "kde")
    fixed, result = teacher(model, compute), student(model, compute)
    reset_ends(result, seed=draw_seed(seed, "kde/init"), drawn=drawn_by_caller(model, seed=draw_seed(seed, "kde/init")))
    warmup = config.model_copy(update={"epochs": config.warmup_epochs, "lr": config.warmup_lr, "schedule": "constant"})
    random = generator(seed, "kde")
    for stage, text, labelled in ((warmup, "kde warm-up", False), (config, "kde", True)):
        fit(
            result,
            sets.retain,
            stage,
            generator=random,
            compute=compute,
            progress=progress,
            text=text,
            loss=distilling(fixed, config.temperature, labelled=labelled),
        )
    return finish(result)


def distilling(fixed: nn.Module, temperature: float, *, labelled: bool) -> Loss:
    """KL(theta0 || s) of softened outputs, without Hinton's factor T^2; `labelled` adds CE and the soft cross-entropy."""

    def loss(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = model(images)
        with torch.no_grad():
            wanted = fixed(images).float()
        divergence = distillation_loss(logits, wanted, temperature=temperature) / temperature**2
        if not labelled:
            return divergence, logits
        soft = nn.functional.cross_entropy(logits.float() / temperature, (wanted / temperature).softmax(dim=1))
        return task_loss(logits, targets) + soft + divergence, logits

    return loss


def reset_ends(model: nn.Module, *, seed: int, drawn: nn.Module | None = None) -> None:
    """Draw the first convolution and the classifier anew, in place: from `drawn`, else by PyTorch's own initialisation."""
    if drawn is not None:
        for module, new in zip(ends(model), ends(drawn), strict=True):
            module.load_state_dict(new.state_dict())
        return
    for module in ends(model):
        place = module.weight.device
        with seeded(seed):
            module.cpu().reset_parameters()
        module.to(place)


def check_ends(model: nn.Module, config: KdeConfig) -> None:
    """Refuse a network without a convolution, and one whose ends compute their weights, unless it comes with `fresh`."""
    names = {module: name for name, module in model.named_modules()}
    for module in ends(model):
        if not (isinstance(model, Adapted) and model.drawn is not None):
            require_own(names[module], module, "weight", action="drawn anew", otherwise=FRESH)


def ends(model: nn.Module) -> tuple[nn.Conv2d | nn.Linear, ...]:
    """The first convolution and the classifier; a network without a convolution is refused."""
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None:
        raise InputError(f"{kind_of(model)} has no convolution whose reset KDE asks for: use another method")
    return first, classifier_layer(model)


METHODS = (
    Method(
        "kde",
        KdeConfig,
        unlearn,
        (RETAIN,),
        "arXiv 2406.09073; 2410.01276",
        {"paper": KdeConfig()},
        multilabel=False,
        check=check_ends,
        cannot="networks without a convolution",
        accepts=("fresh",),
    ),
)
