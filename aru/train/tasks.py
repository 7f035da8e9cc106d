"""What a model is trained for: the loss that unlearning descends and ascends, and the outputs that evaluation reads.

ARU needs the loss alone. Classification is the default; segmentation, detection and sequences give a `Task` of their own
(docs/tasks.md).
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.modes import preserved_modes
from aru.core.errors import InputError
from aru.core.seeds import seeded
from aru.data.images import ImageSet
from aru.nets.models import batchnorms
from aru.train.losses import task_loss

TaskLoss = Callable[[nn.Module, torch.Tensor, Any], torch.Tensor]
"""(model, inputs (B, ...), targets as the set's `batch` gives them) -> losses (B,), or their mean over the batch."""
Predict = Callable[[nn.Module, torch.Tensor], Any]
"""(model, inputs (B, ...)) -> what evaluation reads."""
Correct = Callable[[Any, Any], torch.Tensor]
"""(predictions, targets) -> how many of the batch are right, a scalar from 0 to B."""

_DROPOUTS = (nn.modules.dropout._DropoutNd,)


@dataclass(frozen=True)
class Task:
    """A differentiable task.

    loss: must follow the modes of the model's modules, as it is called in evaluation mode by the attack and the mask and in
    training mode by the fine-tune. predict: called without gradients, in evaluation mode. correct: of predictions in training,
    for the history; without it the history has no accuracy.
    """

    name: str
    loss: TaskLoss
    predict: Predict
    correct: Correct | None = None

    def step(self, model: nn.Module, inputs: torch.Tensor, targets: Any) -> tuple[torch.Tensor, Any]:
        """The mean loss of a batch, a scalar, and the outputs it is computed from; None where the loss hides them."""
        return self.losses(model, inputs, targets).mean(), None

    def summed(self, model: nn.Module, inputs: torch.Tensor, targets: Any) -> torch.Tensor:
        """The sum of a batch's losses, a scalar; of a loss that is a mean already, the mean times the size of the batch."""
        losses = self.losses(model, inputs, targets)
        return losses * len(inputs) if losses.ndim == 0 else losses.sum()

    def losses(self, model: nn.Module, inputs: torch.Tensor, targets: Any) -> torch.Tensor:
        """The loss in float32, a scalar or (B,); InputError for any other shape."""
        losses = self.loss(model, inputs, targets)
        if not isinstance(losses, torch.Tensor) or losses.shape not in ((), (len(inputs),)):
            shape = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
            raise InputError(
                f"the loss of task {self.name!r} returns {shape} for a batch of {len(inputs)}: return one loss a sample, "
                f"({len(inputs)},), or their mean, a scalar"
            )
        return losses.float()


class _Classification(Task):
    """The fused reductions of PyTorch: sums of losses differ in the last bits from one order of addition to another."""

    def step(self, model: nn.Module, inputs: torch.Tensor, targets: Any) -> tuple[torch.Tensor, Any]:
        logits = model(inputs)
        return task_loss(logits, targets), logits

    def summed(self, model: nn.Module, inputs: torch.Tensor, targets: Any) -> torch.Tensor:
        return task_loss(model(inputs), targets, reduction="sum")


def correct(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """How many of a batch are right, a scalar; for the multi-label task each image counts by its share of labels."""
    if targets.is_floating_point():
        return ((logits > 0) == (targets > 0.5)).float().mean(dim=1).sum()
    return (logits.argmax(dim=1) == targets).float().sum()


def _classification_losses(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return task_loss(model(inputs), targets, reduction="none")


def _logits(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model(inputs)
    return logits


CLASSIFICATION = _Classification("classification", _classification_losses, _logits, correct)
"""Cross-entropy of classes (B,), or binary cross-entropy of several labels (B, L); predictions are logits (B, C)."""


def _pixel_losses(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    logits = _pixel_logits(model, inputs)
    return nn.functional.cross_entropy(logits.float(), targets, reduction="none").mean(dim=(1, 2))


def _pixel_logits(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    outputs = model(inputs)
    logits: torch.Tensor = outputs if isinstance(outputs, torch.Tensor) else outputs["out"]
    return logits


SEGMENTATION = Task("segmentation", _pixel_losses, lambda model, inputs: _pixel_logits(model, inputs).argmax(dim=1))
"""Mean cross-entropy over an image's pixels, of logits (B, C, H, W) or a dictionary with them under "out", as torchvision's
models return them. Targets: classes (B, H, W) int64; predictions: the same."""


def _detection_loss(model: nn.Module, inputs: torch.Tensor, targets: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """torchvision's detectors return losses in training mode alone: BatchNorm and dropout keep the mode they have.

    Faster R-CNN draws the boxes that its loss counts. In evaluation mode these draws are the same in each call, so that noise,
    mask and losses are the same from run to run; in training mode they come from PyTorch's global generator.
    """
    exempt = {*batchnorms(model), *(module for module in model.modules() if isinstance(module, _DROPOUTS))}
    with ExitStack() as stack:
        stack.enter_context(preserved_modes(model))
        if not model.training:
            stack.enter_context(seeded(0, inputs.device))
        for module in model.modules():
            if module not in exempt:
                module.training = True
        parts: dict[str, torch.Tensor] = model(list(inputs), targets)
    return torch.stack(list(parts.values())).sum()


DETECTION = Task("detection", _detection_loss, lambda model, inputs: model(list(inputs)))
"""The sum of the losses in a torchvision detector's dictionary, a mean over the batch. Targets: one dictionary an image with
boxes (K, 4), (left, top, right, bottom) in pixels, and labels (K,); predictions: the same, and scores (K,)."""


def sample_losses(model: nn.Module, data: ImageSet, task: Task, *, compute: Compute, batch_size: int = 64) -> torch.Tensor:
    """The loss of each sample of `data`, (M,) float32 on the CPU, in evaluation mode; the model is left as it was, and where.

    Where the task's loss is a mean over the batch, one sample at a time.
    """
    # Weights without gradients keep no graph, and a loss that has a term of its inputs' gradients can still compute it.
    placed, found = compute.placed_copy(model).eval().requires_grad_(False), []
    with torch.enable_grad(), compute.autocast():
        for positions in torch.arange(len(data)).split(batch_size):
            losses = task.losses(placed, *data.batch(positions, compute.device))
            if losses.ndim == 0 and len(positions) > 1:
                losses = torch.stack([task.losses(placed, *data.batch(one, compute.device)) for one in positions.split(1)])
            found.append(losses.detach().reshape(-1).cpu())
    return torch.cat(found)
