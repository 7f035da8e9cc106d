"""The one loop that trains and fine-tunes, and the one that predicts."""

import math
from collections.abc import Callable

import torch
from torch import nn

from aru.checkpoint import Checkpoint
from aru.compute import Compute
from aru.config import TrainConfig
from aru.data.augment import augment
from aru.data.images import ImageSet
from aru.errors import InputError, TrainingError
from aru.losses import task_loss
from aru.progress import Progress, silent

Loss = Callable[[nn.Module, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""(model, images, targets) -> (scalar loss, logits)."""

_CHECK_EVERY = 20  # batches between looks at the loss, which on a GPU wait for it


def supervised(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The task's own loss."""
    logits = model(images)
    return task_loss(logits, targets), logits


def fit(
    model: nn.Module,
    data: ImageSet,
    config: TrainConfig,
    *,
    generator: torch.Generator,
    compute: Compute,
    loss: Loss = supervised,
    progress: Progress = silent,
    text: str = "train",
    checkpoint: Checkpoint | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place for `config.epochs` and return one row an epoch: loss, accuracy, lr.

    Everything random comes from `generator` (CPU). With a checkpoint an interrupted run goes on after its last
    saved epoch and ends with the same weights; to remove it is left to whoever keeps them. Raises TrainingError where the
    loss is not finite.
    """
    compute.place(model)
    optimiser = _optimiser(model, config)
    batches = math.ceil(len(data) / config.batch_size)
    scheduler = _scheduler(optimiser, config, batches)
    parts = {"model": model, "optimiser": optimiser, "scheduler": scheduler}
    history = checkpoint.restore(parts, generator) if checkpoint else []
    with torch.random.fork_rng(devices=[compute.device] if compute.device.type == "cuda" else []):
        for epoch in range(len(history) + 1, config.epochs + 1):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # dropout draws from the global one
            def tell(done: int, epoch: int = epoch) -> None:
                progress((epoch - 1) * batches + done, config.epochs * batches, f"{text}, epoch {epoch} of {config.epochs}")

            history.append(_epoch(epoch, model, data, config, optimiser, scheduler, loss, generator, compute, tell))
            if checkpoint and epoch < config.epochs:
                checkpoint.save(parts, generator, history)
    model.eval()
    return history


def _epoch(
    epoch: int,
    model: nn.Module,
    data: ImageSet,
    config: TrainConfig,
    optimiser: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    loss: Loss,
    generator: torch.Generator,
    compute: Compute,
    tell: Callable[[int], None],
) -> dict[str, float]:
    model.train()
    total = torch.zeros((), device=compute.device)
    right = torch.zeros((), device=compute.device)
    lr = optimiser.param_groups[0]["lr"]
    for number, positions in enumerate(batches_of(len(data), config.batch_size, generator), start=1):
        images, targets = data.batch(positions, compute.device)
        if config.augment:
            images = augment(images, generator=generator)
        with compute.autocast():
            value, logits = loss(model, images, targets)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        scheduler.step()
        total += value.detach() * len(positions)
        right += correct(logits.detach(), targets)
        if number % _CHECK_EVERY == 0:
            _check_finite(total, epoch, number, lr)
        tell(number)
    _check_finite(total, epoch, number, lr)
    return {"epoch": epoch, "loss": total.item() / len(data), "accuracy": right.item() / len(data), "lr": lr}


def batches_of(count: int, size: int, generator: torch.Generator) -> list[torch.Tensor]:
    """A fresh order of `count` positions in batches of `size`; a lone last image joins the batch before it.

    BatchNorm can not be trained on one image.
    """
    if count < 2:
        raise InputError(f"training needs at least 2 images, the set has {count}")
    chunks = list(torch.randperm(count, generator=generator).split(size))
    if len(chunks) > 1 and len(chunks[-1]) == 1:
        chunks[-2:] = [torch.cat(chunks[-2:])]
    return chunks


def predict(model: nn.Module, data: ImageSet, *, compute: Compute, batch_size: int = 256,
            progress: Progress = silent) -> torch.Tensor:
    """Logits (M, C) float32 on the CPU, BatchNorm and dropout in evaluation mode; the model is left as it was."""
    modes = {module: module.training for module in model.modules()}
    compute.place(model).eval()
    logits = []
    with torch.no_grad(), compute.autocast():
        for positions in torch.arange(len(data)).split(batch_size):
            images, _ = data.batch(positions, compute.device)
            logits.append(model(images).float().cpu())
            progress(int(positions[-1]) + 1, len(data), "predict")
    for module, training in modes.items():
        module.training = training
    return torch.cat(logits)


def _optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if config.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)


def _scheduler(optimiser: torch.optim.Optimizer, config: TrainConfig, batches: int):
    schedulers, steps = torch.optim.lr_scheduler, max(1, config.epochs * batches)
    if config.schedule == "step":
        return schedulers.MultiStepLR(optimiser, [epoch * batches for epoch in config.milestones], config.gamma)
    if config.schedule == "cosine":
        return schedulers.CosineAnnealingLR(optimiser, steps)
    if config.schedule == "onecycle":
        return schedulers.OneCycleLR(optimiser, config.lr, total_steps=steps + 1)
    return schedulers.ConstantLR(optimiser, factor=1.0)


def correct(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """How many of a batch are right, a scalar; for the multi-label task each image counts by its share of labels."""
    if targets.is_floating_point():
        return ((logits > 0) == (targets > 0.5)).float().mean(dim=1).sum()
    return (logits.argmax(dim=1) == targets).float().sum()


def _check_finite(total: torch.Tensor, epoch: int, batch: int, lr: float) -> None:
    if not torch.isfinite(total):
        raise TrainingError(f"the loss is {total.item()} at epoch {epoch}, batch {batch}, with a learning rate of {lr:.3g}: "
                            "lower the stage's lr, or use runtime.precision fp32; nothing was written over")
