"""How well a network does a task other than classification: figures of a set from its predictions, weighted by image.

The weights are how often a resample draws each image, so that one definition serves the figure and its bootstrap.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from aru.core.errors import InputError

SetFigure = Callable[[np.ndarray], np.ndarray]
"""Weights of images (R, M) -> a figure of the set for each row (R,)."""
Score = Callable[[Any, Any], torch.Tensor]
"""(predictions, targets) of a batch -> how well each sample is done (B,), or their mean, a scalar; higher is better."""


def mean_of(values: np.ndarray) -> SetFigure:
    """The mean of a value an image. Shape: (M,)."""
    return lambda weights: weights @ values / weights.sum(axis=1)


def mean_iou(predicted: torch.Tensor, masks: torch.Tensor, *, classes: int) -> SetFigure:
    """Mean over the classes that occur of intersection over union, all pixels of a set together (the Jaccard index).

    Shape: both (M, H, W), classes from 0 to classes - 1.
    """
    cells = (masks.long() * classes + predicted.long()).flatten(1)
    tables = np.stack([np.bincount(one.numpy(), minlength=classes**2).reshape(classes, classes) for one in cells])

    def figure(weights: np.ndarray) -> np.ndarray:
        summed = np.einsum("rm,mij->rij", weights, tables)
        hit = np.einsum("rii->ri", summed)
        union = summed.sum(1) + summed.sum(2) - hit
        found: np.ndarray = np.nanmean(np.where(union > 0, hit / np.maximum(union, 1), np.nan), axis=1)
        return found

    return figure


def mean_average_precision(
    found: Sequence[dict[str, torch.Tensor]], annotated: Sequence[dict[str, torch.Tensor]], *, key: str = "map"
) -> SetFigure:
    """COCO's mean average precision over IoU 0.5 to 0.95; with the key "map_50" that at 0.5. Whole weights alone.

    found, annotated: boxes and labels an image, as torchvision's detectors give and take them. Raises InputError without
    torchmetrics and pycocotools, which compute it.
    """
    try:
        from torchmetrics.detection import MeanAveragePrecision
    except ImportError:
        raise InputError("mean average precision needs torchmetrics and pycocotools: pip install 'aru[detection]'") from None

    def figure(weights: np.ndarray) -> np.ndarray:
        values = []
        for row in weights.astype(int):
            metric = MeanAveragePrecision()
            numbers = np.repeat(np.arange(len(found)), row).tolist()
            metric.update([found[number] for number in numbers], [annotated[number] for number in numbers])
            values.append(float(metric.compute()[key]))
        return np.array(values)

    return figure
