"""A task of the caller's own, from `loss=` and `predict=`, checked on one batch of each set before work starts."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import nn

from aru.compute.modes import evaluating
from aru.core.errors import InputError
from aru.core.names import SETS
from aru.core.seeds import seeded
from aru.core.suggestions import did_you_mean
from aru.data.datasets import Source
from aru.data.images import Sets
from aru.data.structured import structured_sets
from aru.library.problem import FEW, DataOptions, check_augmentation, check_outputs, read_sets
from aru.nets.adapted import Adapted
from aru.train.tasks import CLASSIFICATION, DETECTION, SEGMENTATION, Predict, Task

Loss = Callable[[nn.Module, tuple[torch.Tensor, Any]], torch.Tensor] | Literal["segmentation", "detection"]
"""(model, (inputs, targets)) -> a differentiable loss for each sample (B,), or their mean, a scalar; or the loss of
torchvision's segmentation or detection models, by name."""

NAMED = {task.name: task for task in (SEGMENTATION, DETECTION)}


def task_of(loss: Loss | None, predict: Predict | None = None) -> Task:
    """The task with this loss; without one, classification. Raises InputError for what is no function."""
    if predict is not None and not callable(predict):
        raise InputError(f"predict is a {type(predict).__name__}: give a function of a model and a batch of inputs")
    if loss is None:
        if predict is not None:
            raise InputError("predict= belongs to a task of your own: give its loss=, too")
        return CLASSIFICATION
    if isinstance(loss, str):
        if loss not in NAMED:
            raise InputError(f"loss is {loss!r}{did_you_mean(loss, NAMED)}; known are {', '.join(NAMED)}, or give a function")
        known = NAMED[loss]
        return Task(known.name, known.loss, predict or known.predict)
    if not callable(loss):
        raise InputError(f"loss is a {type(loss).__name__}: give a function of a model and a batch (inputs, targets)")
    own = loss
    return Task("own", lambda model, inputs, targets: own(model, (inputs, targets)), predict or _answer)


def compared_sets(
    models: Mapping[str, Adapted], given: Mapping[str, Source | None], options: DataOptions, task: Task, *, own: bool
) -> Sets:
    """The four sets that several models answer to: of a classification, or of a task whose loss is the caller's (`own`)."""
    if own:
        return read_task_sets(models, given, options, task)
    sets = read_sets(next(iter(models.values())), given, options)
    for model in models.values():
        check_outputs(model, sets)
    return sets


def read_task_sets(
    models: Mapping[str, Adapted], given: Mapping[str, Source | None], options: DataOptions, task: Task
) -> Sets:
    """The four sets with targets as the loss reads them, of the first items of each of which every model has a loss."""
    check_augmentation(options)
    sets = structured_sets(
        **{name: given.get(name) for name in SETS},  # type: ignore[arg-type]  # forget and retain are always given
        outputs=options.outputs,
        bounds=options.bounds,
        workers=options.workers,
        augmentation=options.augment,
    )
    for model in models.values():
        for name in SETS:
            if len(getattr(sets, name)):
                _check_task(model, sets, name, task)
    return sets


def _check_task(model: Adapted, sets: Sets, name: str, task: Task) -> None:
    data, device = getattr(sets, name), next(model.parameters()).device
    batch: tuple[torch.Tensor, Any] = data.batch(torch.arange(min(FEW, len(data))), device)
    kind = type(model.network).__name__
    try:
        with seeded(0), evaluating(model):
            losses = task.losses(model, *batch)
            with torch.no_grad():
                task.predict(model, batch[0])
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError) as error:
        raise InputError(
            f"loss= or predict= fails for the first items of the {name} set with {kind} ({type(error).__name__}: {error})"
        ) from error
    if not losses.requires_grad:
        raise InputError(
            "loss= gives a value without a gradient: compute it from the model's outputs, without detach or no_grad"
        )
    if not torch.isfinite(losses).all():
        raise InputError(f"loss= is not finite for the first items of the {name} set with {kind}: check weights and targets")


def _answer(model: nn.Module, inputs: torch.Tensor) -> Any:
    return model(inputs)
