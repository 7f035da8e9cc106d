"""The one loop that trains and fine-tunes, and the one that predicts."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import torch
from torch import nn

from aru.compute.compiling import FullBatches
from aru.compute.device import Compute
from aru.compute.distributed import ALONE, Group
from aru.compute.reading import to_read
from aru.compute.transfer import one_behind
from aru.core.config import TrainConfig
from aru.core.errors import InputError, TrainingError
from aru.core.progress import Progress, silent
from aru.core.seeds import reseed
from aru.data.images import ImageSet
from aru.nets.models import first_not_finite, not_finite, state_tensors
from aru.train.checkpoint import Checkpoint, Stateful
from aru.train.finite import LossWatch, require_finite
from aru.train.history import EpochRecord, History
from aru.train.losses import task_loss
from aru.train.optimizers import make_optimizer
from aru.train.tasks import CLASSIFICATION, Task, sample_losses

Loss = Callable[[nn.Module, torch.Tensor, Any], tuple[torch.Tensor, Any]]
"""(model, images, targets) -> (scalar loss, the outputs it is computed from: logits; None where the task has no accuracy)."""

_FEW = 64  # images on which a trained model is tried
_IN_MEMORY = 256 << 20  # bytes of logits


def supervised(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of classification."""
    return CLASSIFICATION.step(model, images, targets)


def fit(
    model: nn.Module,
    data: ImageSet,
    config: TrainConfig,
    *,
    generator: torch.Generator,
    compute: Compute,
    loss: Loss | None = None,
    task: Task = CLASSIFICATION,
    progress: Progress = silent,
    text: str = "train",
    lr_name: str = "lr",
    checkpoint: Checkpoint | None = None,
    group: Group = ALONE,
) -> History:
    """Train `model` in place for `config.epochs` and return one row an epoch: loss, accuracy, lr.

    `loss` is the task's own unless another is given, which a method may build around it.
    Everything random comes from `generator` (CPU). With a checkpoint an interrupted run goes on after its last
    saved epoch and ends with the same weights; to remove it is left to whoever keeps them. Raises TrainingError where the
    loss is not finite, or a weight at the end; it names the training, `text`, and the learning rate, `lr_name`.
    The processes of a `group` call this alike, share each batch, and end with the same weights; the first writes checkpoints.
    """
    compute.place(model)
    progress = progress if group.rank == 0 else silent
    constants = not_finite(state_tensors(model))
    optimizer = make_optimizer(model.parameters(), config)
    batches = len(chunks(torch.arange(len(data)), config.batch_size))
    scheduler = _scheduler(optimizer, config, batches)
    parts: dict[str, Stateful] = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    history = checkpoint.restore(parts, generator) if checkpoint else []
    group.check_same(len(history))
    devices = [compute.device] if compute.device.type == "cuda" else []
    full = FullBatches(config.batch_size, wanted=compute.compile)
    with torch.random.fork_rng(devices=devices), full.of(model), group.parallel(model) as called:
        for epoch in range(len(history) + 1, config.epochs + 1):
            drawn = int(torch.randint(2**31, (1,), generator=generator))
            reseed(drawn + group.rank, compute.device)  # dropout draws from the global one

            def batch_done(done: int, epoch: int = epoch) -> None:
                progress((epoch - 1) * batches + done, config.epochs * batches, f"{text}, epoch {epoch} of {config.epochs}")

            def remedy(batch: int, epoch: int = epoch) -> str:
                return f" at epoch {epoch}, batch {batch}{_remedy(config, lr_name)}"

            history.append(
                _epoch(
                    epoch,
                    called,
                    data,
                    config,
                    optimizer,
                    scheduler,
                    loss or task.step,
                    task,
                    generator,
                    compute,
                    batch_done,
                    LossWatch(f"{text}: the loss", remedy),
                    group,
                    full,
                )
            )
            if checkpoint and epoch < config.epochs:
                group.count_cpu(checkpoint.clock)
                if group.rank == 0:
                    checkpoint.save(parts, generator, history)
    model.eval()
    check_trained(model, data, compute=compute, what=text, remedy=_remedy(config, lr_name), task=task, constants=constants)
    return history


def _epoch(
    epoch: int,
    model: nn.Module,
    data: ImageSet,
    config: TrainConfig,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    loss: Loss,
    task: Task,
    generator: torch.Generator,
    compute: Compute,
    batch_done: Callable[[int], None],
    watch: LossWatch,
    group: Group,
    full: FullBatches,
) -> EpochRecord:
    model.train()
    total = torch.zeros((), device=compute.device)
    right = torch.zeros((), device=compute.device)
    lr = optimizer.param_groups[0]["lr"]
    parts = batches_of(len(data), config.batch_size, generator)
    shares = [group.share(len(positions)) for positions in parts]
    loaded = data.batches([positions[share] for positions, share in zip(parts, shares, strict=True)], compute.device)
    for number, (positions, share, (images, targets)) in enumerate(zip(parts, shares, loaded, strict=True), start=1):
        if config.augment:
            images = data.augment(images, generator=generator, of=len(positions), begin=share.start)
        with compute.autocast(), full.on(len(images)):
            value, outputs = loss(model, images, targets)
        optimizer.zero_grad(set_to_none=True)
        group.part(value, len(images), len(positions)).backward()
        optimizer.step()
        scheduler.step()
        if len(images) > 0:  # the mean over none is not a number
            total += value.detach() * len(images)
        if task.correct is not None and outputs is not None:
            right += task.correct(outputs.detach(), targets)
        watch.step(total, number)
        batch_done(number)
    total, right = group.total(total), group.total(right)
    watch.last(total, number)
    if task.correct is None:
        return {"epoch": epoch, "loss": total.item() / len(data), "lr": lr}
    return {"epoch": epoch, "loss": total.item() / len(data), "accuracy": right.item() / len(data), "lr": lr}


def batches_of(count: int, size: int, generator: torch.Generator) -> list[torch.Tensor]:
    """A fresh order of `count` positions in batches of `size`; a lone last image joins the batch before it."""
    if count < 2:
        raise InputError(f"training needs at least 2 images, the set has {count}")
    return chunks(torch.randperm(count, generator=generator), size)


def chunks(positions: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Positions in batches of `size`; a lone last one joins the batch before it: BatchNorm can not be trained on one image."""
    parts = list(positions.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def predict(
    model: nn.Module, data: ImageSet, *, compute: Compute, batch_size: int = 256, progress: Progress = silent
) -> torch.Tensor:
    """Logits (M, C) float32 on the CPU, BatchNorm and dropout in evaluation mode; the model is left as it was, and where."""
    return predict_placed(to_read(model, compute), data, compute=compute, batch_size=batch_size, progress=progress)


def predict_sets(model: nn.Module, sets: Mapping[str, ImageSet], *, compute: Compute) -> dict[str, torch.Tensor]:
    """Name of a set -> logits as `predict` gives them, parts of one tensor; the model is copied to the device once for all."""
    joined = predict_joined(model, list(sets.values()), compute=compute)
    return dict(zip(sets, joined.split([len(data) for data in sets.values()]), strict=True))


def predict_joined(model: nn.Module, sets: Sequence[ImageSet], *, compute: Compute) -> torch.Tensor:
    """Logits as `predict` gives them of one set after the other, (M, C).

    Of thousands of classes they are larger than the memory: those of more than `_IN_MEMORY` bytes lie in a file without a name
    in the system's temporary folder (TMPDIR), which goes with the tensor.
    """
    placed = to_read(model, compute)
    joined, begin = torch.empty(0), 0
    for data in sets:
        for part in _batches_of_logits(placed, data, compute, 256):
            if len(joined) == 0:
                joined = _room((sum(map(len, sets)), *part.shape[1:]))
            joined[begin : begin + len(part)] = part
            begin += len(part)
    return joined


def _room(shape: tuple[int, ...]) -> torch.Tensor:
    size = math.prod(shape)
    if size * 4 <= _IN_MEMORY:
        return torch.empty(shape, dtype=torch.float32)
    with NamedTemporaryFile() as file:
        return torch.from_file(file.name, shared=True, size=size, dtype=torch.float32).view(shape)


def predict_placed(
    placed: nn.Module, data: ImageSet, *, compute: Compute, batch_size: int = 256, progress: Progress = silent
) -> torch.Tensor:
    """Logits as `predict` gives them, of a model that stands on the device (`Compute.place`) in evaluation mode."""
    logits = []
    for part in _batches_of_logits(placed, data, compute, batch_size):
        logits.append(part)
        progress(sum(map(len, logits)), len(data), "predict")
    return torch.cat(logits)


def _batches_of_logits(placed: nn.Module, data: ImageSet, compute: Compute, batch_size: int) -> Iterator[torch.Tensor]:
    def queued() -> Iterator[tuple[torch.Tensor]]:
        for images, _ in data.batches(torch.arange(len(data)).split(batch_size), compute.device):
            with torch.no_grad(), compute.autocast():
                logits = placed(images).float()
            yield (logits,)

    return (logits for (logits,) in one_behind(queued()))


def check_trained(
    model: nn.Module,
    data: ImageSet,
    *,
    compute: Compute,
    what: str,
    remedy: str = "",
    task: Task = CLASSIFICATION,
    constants: Mapping[str, torch.Tensor],
) -> None:
    """Raise TrainingError, which begins with `what`, unless all weights and the loss on a few training images are finite.

    `constants`: what was not finite before the training, as a mask of attention is, and may be so still.

    The loss that a step descends is that before it: where the last one, or the only one, breaks the weights, it says nothing.
    """
    few = data.take(np.arange(min(len(data), _FEW)))
    broken = first_not_finite(state_tensors(model), constants)
    if broken is not None:
        raise TrainingError(f"{what} ends in weights that are not finite ({broken}){remedy}")
    if task is CLASSIFICATION:
        loss = task_loss(predict(model, few, compute=compute), few.targets)
    else:
        loss = sample_losses(model, few, task, compute=compute).mean()
    require_finite(loss, f"{what} ends in a model whose loss", remedy)


def _scheduler(optimizer: torch.optim.Optimizer, config: TrainConfig, batches: int) -> torch.optim.lr_scheduler.LRScheduler:
    schedulers, steps = torch.optim.lr_scheduler, max(1, config.epochs * batches)
    if config.schedule == "step":
        return schedulers.MultiStepLR(optimizer, [epoch * batches for epoch in config.milestones], config.gamma)
    if config.schedule == "cosine":
        return schedulers.CosineAnnealingLR(optimizer, steps)
    if config.schedule == "epoch-cosine":
        return schedulers.LambdaLR(
            optimizer, lambda step: (1 + math.cos(math.pi * (step // batches) / max(1, config.epochs))) / 2
        )
    if config.schedule == "onecycle":
        return schedulers.OneCycleLR(optimizer, config.lr, total_steps=steps + 1)
    return schedulers.ConstantLR(optimizer, factor=1.0)


def _remedy(config: TrainConfig, lr_name: str) -> str:
    return f", with {lr_name} = {config.lr:.3g}: lower {lr_name}, or use runtime.precision fp32; nothing was written over"
