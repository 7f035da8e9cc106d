"""How a model from elsewhere answers some images: whether it knows more than chance, and how the classes may be mixed up."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from aru.compute.device import Compute
from aru.data.images import ImageSet
from aru.stats.roc import clopper_pearson
from aru.train.loop import predict
from aru.train.losses import task_loss

_IMAGES = 256
_MORE = 0.2  # by so much another order of classes has to be better to be named


@dataclass(frozen=True)
class Look:
    """What was found on one set; `chance`: the accuracy may be that of answers that do not depend on the image."""

    text: str
    chance: bool


def first_look(model: torch.nn.Module, sets: Mapping[str, ImageSet], *, compute: Compute) -> list[Look]:
    """Loss and accuracy on up to 256 images of each set, evenly spaced, the accuracy with its exact 95 % interval."""
    return [_look(name, model, data, compute) for name, data in sets.items()]


def _look(name: str, model: torch.nn.Module, data: ImageSet, compute: Compute) -> Look:
    few = data.take(np.unique(np.linspace(0, len(data) - 1, _IMAGES).astype(int)))
    logits = predict(model, few, compute=compute)
    targets = few.targets
    if targets.dim() == 1:
        answers, truth, classes = logits.argmax(dim=1).numpy(), targets.numpy(), logits.shape[1]
    else:  # several binary labels: each an answer of its own
        answers, truth, classes = (logits > 0).long().flatten().numpy(), targets.long().flatten().numpy(), 2
    right = int((answers == truth).sum())
    low, high = clopper_pearson(right, len(truth))
    table = np.zeros((classes, classes))
    np.add.at(table, (answers, truth), 1)
    chance = float((table.sum(axis=0) * table.sum(axis=1)).sum() / len(truth) ** 2)
    text = (
        f"{name}, {len(few)} images: loss {task_loss(logits, targets).item():.3f}, accuracy {right / len(truth):.3f} "
        f"[{low:.3f}, {high:.3f}]; answers that do not depend on the image would have {chance:.3f}"
    )
    if low > chance:
        return Look(text, chance=False)
    best = table[linear_sum_assignment(-table)].sum() / len(truth)
    hint = f"; with the classes in another order it would be {best:.3f}" if best > right / len(truth) + _MORE else ""
    return Look(f"{text}: no better than chance{hint}", chance=True)
