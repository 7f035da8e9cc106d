"""What `aru.evaluate` reads of a network that does another task than classification: its losses and how well it does."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.names import SETS
from aru.core.progress import Progress
from aru.data.images import ImageSet, Sets
from aru.metrics.metrics_file import Metrics
from aru.metrics.task_scores import Score, SetFigure, mean_average_precision, mean_iou, mean_of
from aru.metrics.task_summary import summarise_task
from aru.train.tasks import DETECTION, SEGMENTATION, Task, sample_losses

SCORES = {SEGMENTATION.name: ("miou",), DETECTION.name: ("map", "map_50")}
"""The figures of torchvision's own tasks, on each set."""
_SLOW = frozenset({"map", "map_50"})
_BATCH = 16


def check_measurable(sets: Sets, task: Task) -> None:
    """Refuse an empty set, and torchvision's tasks without the number of classes or what measures them."""
    for name in SETS:
        if not len(getattr(sets, name)):
            raise InputError(f"the {name} set is empty: evaluation needs samples in each of {', '.join(SETS)}")
    if task.name in SCORES and not sets.retain.outputs:
        raise InputError(f"loss={task.name!r} needs outputs=, the number of classes, the background included")
    if task.name == DETECTION.name:
        mean_average_precision([], [])


def evaluate_task(
    models: Mapping[str, nn.Module],
    sets: Sets,
    task: Task,
    score: Score | None,
    *,
    groups: Mapping[str, np.ndarray],
    seed: int,
    resamples: int,
    compute: Compute,
    progress: Progress,
) -> Metrics:
    """The content of metrics.json: losses by set, the task's figures or the caller's `score`, and the attacks on the loss."""
    losses: dict[str, dict[str, np.ndarray]] = {}
    figures: dict[str, dict[str, dict[str, SetFigure]]] = {}
    for model, network in models.items():
        placed = compute.placed_copy(network).eval()
        losses[model], figures[model] = {}, {}
        for number, name in enumerate(SETS):
            data = getattr(sets, name)
            losses[model][name] = sample_losses(placed, data, task, compute=compute).numpy()
            figures[model][name] = _figures(placed, data, task, score, compute)
            progress(number + 1, len(SETS), f"evaluate, {model}")
    return summarise_task(losses, figures, groups=groups, task=task.name, seed=seed, resamples=resamples, slow=_SLOW)


def _figures(model: nn.Module, data: ImageSet, task: Task, score: Score | None, compute: Compute) -> dict[str, SetFigure]:
    if score is None and task.name not in SCORES:
        return {}
    found: list[Any] = []
    wanted: list[Any] = []
    scores: list[torch.Tensor] = []
    with torch.no_grad(), compute.autocast():
        for positions in torch.arange(len(data)).split(_BATCH):
            batch: tuple[torch.Tensor, Any] = data.batch(positions, compute.device)
            predicted = task.predict(model, batch[0])
            if score is not None:
                scores.append(_scored(score, predicted, batch[1], model, data, positions, task, compute))
            else:
                found += [_on_cpu(one) for one in predicted]
                wanted += [_on_cpu(one) for one in batch[1]]
    if score is not None:
        return {"score": mean_of(torch.cat(scores).double().numpy())}
    if task.name == DETECTION.name:
        return {key: mean_average_precision(found, wanted, key=key) for key in SCORES[task.name]}
    return {"miou": mean_iou(torch.stack(found), torch.stack(wanted), classes=data.outputs)}


def _scored(
    score: Score,
    predicted: Any,
    targets: Any,
    model: nn.Module,
    data: ImageSet,
    positions: torch.Tensor,
    task: Task,
    compute: Compute,
) -> torch.Tensor:
    """The score of each sample of a batch; where `score` gives a mean, one sample at a time."""
    values = _checked(score(predicted, targets), len(positions))
    if values.ndim or len(positions) == 1:
        return values.reshape(-1)
    single = [data.batch(one, compute.device) for one in positions.split(1)]
    return torch.stack([_checked(score(task.predict(model, inputs), wanted), 1).reshape(()) for inputs, wanted in single])


def _checked(values: Any, count: int) -> torch.Tensor:
    if not isinstance(values, torch.Tensor) or values.shape not in ((), (count,)) or not torch.isfinite(values).all():
        shape = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
        raise InputError(
            f"score= returns {shape} for a batch of {count}: return one finite number a sample, ({count},), or their mean"
        )
    return values.detach().float().cpu()


def _on_cpu(value: Any) -> Any:
    return {key: one.cpu() for key, one in value.items()} if isinstance(value, Mapping) else value.cpu()
