"""Labels of a caller's own data: whole numbers that count classes, or rows of 0 and 1, and nothing that is made into them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from torchvision.datasets import CIFAR10, MNIST, DatasetFolder

from aru.core.errors import InputError


def stored_labels(dataset: Dataset[Any]) -> Sequence[Any] | None:
    """The labels that a dataset of torchvision's gives with its items, without the images; None for any other dataset.

    One whose class has `__getitem__` of its own may label items anew, as may a `target_transform`.
    """
    if getattr(dataset, "target_transform", None) is not None:
        return None
    if isinstance(dataset, DatasetFolder) and type(dataset).__getitem__ is DatasetFolder.__getitem__:
        return [label for _, label in dataset.samples]
    if isinstance(dataset, CIFAR10 | MNIST) and type(dataset).__getitem__ in (CIFAR10.__getitem__, MNIST.__getitem__):
        labels: Sequence[Any] = dataset.targets
        return labels
    return None


def labels_of(found: Sequence[Any], name: str) -> torch.Tensor:
    """Classes (N,) int64, or (N, L) float32 of 0 and 1 for several labels, from what the items of a set have as targets.

    Raises InputError for what is no number, rows of different lengths, a class that is not whole or not finite, and one of
    several labels that is neither 0 nor 1.
    """
    labels = [_label(target, index, name) for index, target in enumerate(found)]
    shapes = sorted({tuple(label.shape) for label in labels})
    if len(shapes) > 1 or any(len(shape) > 1 for shape in shapes):
        raise InputError(
            f"labels of the {name} set have the shapes {', '.join(map(str, shapes))}: give each item one class, or each a "
            "row of as many labels; other targets need loss="
        )
    together = torch.stack(labels) if labels else torch.empty(0, dtype=torch.int64)
    if together.ndim == 2 and together.shape[1] > 1:
        _refuse(together, (together != 0) & (together != 1), name, "one of several labels is 0 or 1: convert them")
        return together.float()
    whole = together.to(torch.int64)
    _refuse(together, whole != together, name, "a class is a whole number from 0; values to be predicted need loss=")
    return whole.flatten()


def _label(target: Any, index: int, name: str) -> torch.Tensor:
    try:
        return torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"item {index} of the {name} set has the label {str(target)[:40]!r}, a {type(target).__name__}: a class is a "
            "whole number from 0, several labels are a row of 0 and 1; other targets need loss="
        ) from None


def _refuse(labels: torch.Tensor, wrong: torch.Tensor, name: str, remedy: str) -> None:
    if wrong.any():
        item = int(wrong.nonzero()[0, 0])
        raise InputError(f"item {item} of the {name} set has the label {labels[wrong][0].item():g}: {remedy}")
