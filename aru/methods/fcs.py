"""FCS: make the forget set's outputs uniform, then push them off retain's and repair, in turns."""

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from aru.compute.device import Compute
from aru.core.config import Section
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.method import Method, require_classes
from aru.train.batches import BatchOptions, passes, shuffled
from aru.train.descent import Step, cosine, counter, descend, finish, student
from aru.train.losses import task_loss
from aru.train.optimizers import OptimizerOptions, make_optimizer, set_lr


class FcsConfig(Section):
    """The competition's first place: three optimizers, SGD all."""

    epochs: int = Field(8, ge=0, le=10_000, description="of a forget round and a retain round each")
    batch_size: int = Field(256, ge=2, le=8192, description="of retain, in the retain rounds")
    forget_batch_size: int = Field(64, ge=2, le=8192, description="of forget")
    contrast_batch_size: int = Field(256, ge=2, le=8192, description="of retain, beside forget in the forget rounds")
    momentum: float = Field(0.9, ge=0, lt=1)
    uniform_lr: float = Field(5e-3, gt=0, description="of the first stage")
    forget_lr: float = Field(3e-4, gt=0, description="of the forget rounds, at their start")
    least_lr: float = Field(1e-6, ge=0, description="of the forget rounds, at their end")
    retain_lr: float = Field(4e-3, gt=0, description="of the retain rounds: 0.001 batch_size / 64")
    retain_weight_decay: float = Field(1e-2, ge=0)
    temperature: float = Field(1.15, gt=0)
    augment: bool = Field(False, description="MUFAC's flips, affine maps and colour jitter")


def unlearn(
    model: nn.Module, sets: Sets, config: FcsConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Stage 1: min KL(uniform || softmax f(D_f)), one pass. Stage 2, E times: min mean -log softmax(z_f z_r^T / T) with z_r
    held fixed, one pass over D_f; then min CE(D_r), one pass (arXiv 2406.09073, 2410.01276)."""
    require_classes(sets, "fcs")
    result = student(model, compute)
    random = generator(seed, "fcs")
    options: BatchOptions = {"generator": random, "compute": compute, "augmented": config.augment}
    forget_steps = passes(len(sets.forget), config.forget_batch_size)
    rounds = min(forget_steps, passes(len(sets.retain), config.contrast_batch_size))
    total = forget_steps + config.epochs * (rounds + passes(len(sets.retain), config.batch_size))
    step_done = counter(progress, total, "fcs")

    def sgd(lr: float, weight_decay: float = 0.0) -> torch.optim.Optimizer:
        options = OptimizerOptions(lr=lr, momentum=config.momentum, weight_decay=weight_decay)
        return make_optimizer(result.parameters(), options)

    uniform, forgetting = sgd(config.uniform_lr), sgd(config.forget_lr)
    retaining = sgd(config.retain_lr, config.retain_weight_decay)

    def level() -> Iterator[Step]:
        for images, _ in shuffled(sets.forget, config.forget_batch_size, **options):
            yield Step(uniform_divergence(result(images)))

    def push(epoch: int) -> Iterator[Step]:
        pairs = zip(
            shuffled(sets.forget, config.forget_batch_size, **options),
            shuffled(sets.retain, config.contrast_batch_size, **options),
            strict=False,
        )
        for number, ((images, _), (others, _)) in enumerate(pairs):
            done = epoch * rounds + number
            set_lr(forgetting, cosine(config.forget_lr, done, config.epochs * rounds, least=config.least_lr))
            outputs = result(images)
            with torch.no_grad():
                anchors = result(others)
            yield Step(contrast(outputs, anchors, config.temperature))

    def repair() -> Iterator[Step]:
        for images, targets in shuffled(sets.retain, config.batch_size, **options):
            yield Step(task_loss(result(images), targets))

    descend(level(), uniform, compute=compute, generator=random, step_done=step_done)
    for epoch in range(config.epochs):
        descend(push(epoch), forgetting, compute=compute, generator=random, step_done=step_done)
        descend(repair(), retaining, compute=compute, generator=random, step_done=step_done)
    return finish(result)


def uniform_divergence(logits: torch.Tensor) -> torch.Tensor:
    """KL(uniform || softmax(logits)), mean over the batch (B, C)."""
    uniform = torch.full_like(logits, 1 / logits.shape[1], dtype=torch.float32)
    return functional.kl_div(functional.log_softmax(logits.float(), dim=1), uniform, reduction="batchmean")


def contrast(forget: torch.Tensor, retain: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean of -log softmax over the similarities of forget's outputs (B, C) to retain's (R, C)."""
    return -functional.log_softmax(forget.float() @ retain.float().T / temperature, dim=1).mean()


METHODS = (
    Method(
        "fcs", FcsConfig, unlearn, (FORGET, RETAIN), "arXiv 2406.09073; 2410.01276", {"paper": FcsConfig()}, multilabel=False
    ),
)
