"""MSG, masked small gradients: weights on which forget and retain agree are drawn anew, then fine-tuned."""

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from aru.compute.copying import copied
from aru.compute.device import Compute
from aru.core.config import MaskConfig, ResetConfig
from aru.core.errors import InputError
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import Sets
from aru.methods.aru.masking import Mask, gradients, select
from aru.methods.aru.resetting import replace_units
from aru.methods.method import Method
from aru.nets.adapted import kind_of
from aru.nets.fresh import drawn_by_caller
from aru.nets.units import unit_layers, unit_weights
from aru.train.batches import passes, sample, shuffled
from aru.train.descent import DescentConfig, Step, counter, descend, finish, student
from aru.train.optimizers import make_optimizer, set_lr
from aru.train.tasks import CLASSIFICATION, Task


class MsgConfig(DescentConfig):
    """The competition's second place."""

    lr: float = Field(1e-3, gt=0, description="reached after a linear warm-up over half the epochs")
    weight_decay: float = Field(5e-4, ge=0)
    augment: bool = Field(False, description="MUFAC's flips, affine maps and colour jitter")
    measured: Literal["train", "eval"] = Field("train", description="BatchNorm's mode while gradients are measured")
    ratio: float = Field(0.3, ge=0, le=1, description="share of every convolution's weights that is drawn anew")
    kept_factor: float = Field(0.1, ge=0, le=1, description="of the gradients of a convolution's other weights")


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: MsgConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """g = grad[CE(R') - CE(D_f)], R' of D_f's size from D_r; the weights of smallest |g| in each convolution are drawn from
    Kaiming's normal (fan-out), then CE(D_r) with the gradients of the others scaled (arXiv 2406.09073, 2410.01276)."""
    random = generator(seed, "msg")
    mask = smallest(model, sets, config, generator=random, compute=compute, task=task)
    drawn = drawn_by_caller(model, seed=draw_seed(seed, "msg/init")) or kaiming(model, generator=random)
    result = student(
        replace_units(model, drawn, mask, ResetConfig(batchnorm=False), example=sets.retain.example()),
        compute,
        batchnorm=config.batchnorm,
    )
    factors = gradient_factors(result, mask, config.kept_factor)
    optimizer = make_optimizer(result.parameters(), config)

    def scale() -> None:
        for weight, factor in factors:
            if weight.grad is not None:
                weight.grad.mul_(factor)

    def steps() -> Iterator[Step]:
        for epoch in range(config.epochs):
            set_lr(optimizer, config.lr * warmth(epoch, config.epochs))
            for images, targets in shuffled(
                sets.retain, config.batch_size, generator=random, compute=compute, augmented=config.augment
            ):
                yield Step(task.step(result, images, targets)[0], grad_hook=scale)

    total = config.epochs * passes(len(sets.retain), config.batch_size)
    descend(steps(), optimizer, compute=compute, generator=random, step_done=counter(progress, total, "msg"))
    return finish(result)


def convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """All convolutions but the classifier, by name; a network without one is refused."""
    layers = unit_layers(model)
    found = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d) and name in layers}
    if not found:
        raise InputError(
            f"{kind_of(model)} has no convolution before its classifier, and this method acts on nothing else: use another"
        )
    return found


def smallest(
    model: nn.Module,
    sets: Sets,
    config: MsgConfig,
    *,
    generator: torch.Generator,
    compute: Compute,
    task: Task = CLASSIFICATION,
) -> Mask:
    """Per layer the weights to be drawn anew: exactly round(ratio n) of each convolution, none of other layers.

    A lone image has no statistics of its own: BatchNorm measures it in evaluation mode.
    """
    names = convolutions(model)
    alike = sample(sets.retain, len(sets.forget), generator=generator)
    measure = MaskConfig(
        unit="weight",
        select="smallest",
        ratio=config.ratio,
        batchnorm=config.measured if min(len(alike), len(sets.forget)) > 1 else "eval",
        batch_size=config.batch_size,
    )
    kept, lost = (gradients(model, data, measure, compute=compute, task=task) for data in (alike, sets.forget))
    scores = {name: (kept[name] - lost[name]).abs() for name in names}
    nothing = {name: torch.zeros(weight.shape, dtype=torch.bool) for name, weight in unit_weights(model).items()}
    return {**nothing, **select(scores, measure, generator=generator)}


def kaiming(model: nn.Module, *, generator: torch.Generator) -> nn.Module:
    """A copy of the model with convolutions drawn from Kaiming's normal distribution (fan-out, ReLU)."""
    drawn = copied(model).cpu()
    for layer in convolutions(drawn).values():
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    return drawn


def gradient_factors(model: nn.Module, mask: Mask, kept: float) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each convolution's weight: 1 where it was drawn anew, `kept` elsewhere."""
    weights = {name: layer.weight for name, layer in convolutions(model).items()}
    return [(weight, torch.where(mask[name].to(weight.device), 1.0, kept)) for name, weight in weights.items()]


def warmth(epoch: int, epochs: int) -> float:
    """The factor of the learning rate in epoch 0, 1, ...: up to 1 over (E + 1) // 2 epochs, then down to zero at E + 1."""
    rising, number = (epochs + 1) // 2, epoch + 1
    return number / rising if number <= rising else (epochs + 1 - number) / (epochs + 1 - rising)


METHODS = (
    Method(
        "msg",
        MsgConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2406.09073; 2410.01276",
        {"paper": MsgConfig()},
        check=lambda model, config: convolutions(model),
        cannot="networks without a convolution",
        accepts=("fresh", "loss"),
    ),
)
