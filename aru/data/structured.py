"""Sets whose targets are no classes: a mask an image, a dictionary of boxes and labels, or what a caller's own loss reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from aru.compute.transfer import sent
from aru.core.errors import InputError
from aru.data.datasets import Augmentation, Bounds, Items, OwnSet, Source, as_dataset, check_items
from aru.data.images import Sets

Annotation = dict[str, torch.Tensor]
"""The target of one image for a torchvision detector: boxes (K, 4) and labels (K,), other tensors as they are."""


@dataclass(frozen=True)
class StructuredSet(OwnSet):
    """Some items of a caller's data with structured targets; the same interface as the sets of classes.

    Shape:
        targets: (M, ...), as (M, H, W) masks; or (M,) int64, numbers into `annotations`, which are then the targets that
        `batch` gives.
    """

    annotations: tuple[Annotation, ...] = field(default=(), kw_only=True)

    def batch(self, positions: torch.Tensor, device: torch.device) -> tuple[torch.Tensor, Any]:
        """Inputs on the device, and targets (B, ...) there, int64 or float32, or a list of B dictionaries of tensors there."""
        inputs, targets = super().batch(positions, device)
        if not self.annotations:
            return inputs, targets.float() if targets.is_floating_point() else targets.long()
        found = [self.annotations[int(number)] for number in self.targets[positions]]
        return inputs, [{name: sent(value, device) for name, value in one.items()} for one in found]


def structured_sets(
    forget: Source,
    retain: Source,
    test: Source | None = None,
    unseen: Source | None = None,
    *,
    outputs: int | None = None,
    bounds: Bounds = (0.0, 1.0),
    workers: int = 0,
    augmentation: Augmentation | None = None,
) -> Sets:
    """The four sets of an unlearning problem whose targets are masks or dictionaries; a set that is not given is empty.

    `outputs`: the classes of pixels or boxes, the background included; without it a target may be any tensor, number or
    dictionary of tensors. `augmentation` sees images alone: colours may change, places must not. Raises InputError as
    `own_sets` does, and where the targets are of several kinds or shapes, or a class does not lie in 0 to outputs - 1.
    """
    if not bounds[0] < bounds[1]:
        raise InputError(f"bounds are {bounds}: the first must be less than the second")
    given = {"forget": forget, "retain": retain, "test": test, "unseen": unseen}
    datasets = {name: as_dataset(source, name) for name, source in given.items() if source is not None}
    for name, dataset in datasets.items():
        check_items(dataset, name, bounds)
    items = Items(datasets, bounds, workers)
    found = {
        name: [_target(target, f"item {index} of the {name} set", outputs) for index, target in enumerate(part)]
        for name, part in items.targets().items()
    }
    everything = [target for part in found.values() for target in part]
    annotations = tuple(target for target in everything if not isinstance(target, torch.Tensor))
    if annotations and len(annotations) < len(everything):
        raise InputError("some targets are masks and some are dictionaries: give all sets the same kind")
    targets = (
        torch.arange(len(everything)) if annotations else _stacked([t for t in everything if isinstance(t, torch.Tensor)])
    )
    sets, start = {}, 0
    for name in given:
        count = len(found.get(name, ()))
        rows = np.arange(start, start + count, dtype=np.int64)
        sets[name] = StructuredSet(
            np.empty(0, np.uint8),
            rows,
            targets[start : start + count],
            outputs or 0,
            items=items,
            augmentation=augmentation,
            annotations=annotations,
        )
        start += count
    return Sets(**sets)


def _target(target: Any, where: str, outputs: int | None) -> torch.Tensor | Annotation:
    """A mask (H, W), in bytes where its classes fit into them, or a dictionary of tensors; without `outputs` any tensor."""
    if isinstance(target, Mapping):
        if not {"boxes", "labels"} <= set(target):
            if outputs is None:
                return {key: torch.as_tensor(value) for key, value in target.items()}
            raise InputError(f"{where}: the target has the keys {', '.join(map(str, target))}: boxes and labels are needed")
        found = {key: torch.as_tensor(value) for key, value in target.items()}
        boxes, labels = found["boxes"].float().reshape(-1, 4), found["labels"].long()
        if len(boxes) != len(labels) or bool((boxes[:, 2:] <= boxes[:, :2]).any()):
            raise InputError(f"{where}: boxes are (K, 4), left < right and top < bottom, with one label each")
        _check_classes(labels, where, outputs)
        return found | {"boxes": boxes, "labels": labels}
    mask = torch.as_tensor(np.array(target) if not isinstance(target, torch.Tensor) else target)
    if outputs is None:
        return mask
    mask = mask[0] if mask.ndim == 3 and len(mask) == 1 else mask
    if mask.ndim != 2 or mask.is_floating_point():
        raise InputError(f"{where}: the mask is {mask.dtype} {tuple(mask.shape)}: give whole numbers (H, W), a class a pixel")
    _check_classes(mask, where, outputs)
    return mask.to(torch.uint8) if outputs <= 256 else mask.long()


def _check_classes(classes: torch.Tensor, where: str, outputs: int | None) -> None:
    if outputs is not None and classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < outputs:
        raise InputError(
            f"{where}: classes are from {int(classes.min())} to {int(classes.max())}, the model has {outputs}: count from 0, "
            "the background included"
        )


def _stacked(masks: list[torch.Tensor]) -> torch.Tensor:
    shapes = sorted({tuple(mask.shape) for mask in masks})
    if len(shapes) > 1:
        raise InputError(f"targets have different shapes ({', '.join(map(str, shapes))}): resize masks in the dataset")
    return torch.stack(masks)
