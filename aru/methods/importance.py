"""Gradients of whole sets, parameter by parameter: what importance and saliency are made of."""

from collections.abc import Iterator
from typing import NotRequired, TypedDict, Unpack

import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.modes import trained_parameters
from aru.core.progress import Progress
from aru.data.images import ImageSet
from aru.train.descent import finish, student
from aru.train.finite import require_finite
from aru.train.tasks import CLASSIFICATION, Task

Gradients = dict[str, torch.Tensor]
"""By the parameter's name, of its shape."""


class GradientOptions(TypedDict):
    """The keyword arguments of `summed_gradient` and `importance`.

    text: what `progress` is called with. task: has the loss; without it that of classification.
    """

    batch_size: int
    compute: Compute
    progress: Progress
    text: str
    task: NotRequired[Task]


def summed_gradient(model: nn.Module, data: ImageSet, **options: Unpack[GradientOptions]) -> Gradients:
    """The sum over the batches of the gradient of each batch's mean loss, by parameter: SalUn's (arXiv 2310.12508).

    An image of a last batch that is smaller weighs more than another.
    """
    total: Gradients = {}
    for gradients in batch_gradients(model, data, **options):
        _add(total, gradients)
    return total


def importance(model: nn.Module, data: ImageSet, **options: Unpack[GradientOptions]) -> Gradients:
    """Mean over the batches of the squared gradient of the batch's mean loss: the diagonal Fisher information as SSD
    (arXiv 2308.07707) and SFRon (arXiv 2409.19732) compute it."""
    total: Gradients = {}
    batches = 0
    for gradients in batch_gradients(model, data, **options):
        _add(total, {name: gradient.square() for name, gradient in gradients.items()})
        batches += 1
    return {name: value / batches for name, value in total.items()}


def batch_gradients(
    model: nn.Module,
    data: ImageSet,
    *,
    batch_size: int,
    compute: Compute,
    progress: Progress,
    text: str,
    task: Task = CLASSIFICATION,
) -> Iterator[Gradients]:
    """For each batch, in the set's order, the gradient of its mean loss.

    A copy of the model in evaluation mode answers, on images that are not augmented. Raises TrainingError where the loss
    is not finite.
    """
    placed = finish(student(model, compute))
    parameters = trained_parameters(placed)
    for positions in torch.arange(len(data)).split(batch_size):
        images, targets = data.batch(positions, compute.device)
        with compute.autocast():
            loss = task.step(placed, images, targets)[0]
        require_finite(loss, "the model's loss on its own training images", ": train the original again")
        values = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
        yield dict(zip(parameters, values, strict=True))
        progress(int(positions[-1]) + 1, len(data), text)


def _add(total: Gradients, more: Gradients) -> None:
    for name, value in more.items():
        total[name] = total[name] + value if name in total else value
