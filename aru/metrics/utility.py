"""How well a model answers: accuracy, balanced accuracy, top-2, loss, each a weighted mean over images.

The weights make one definition serve the figure itself (all weights one) and its bootstrap (weights are
counts).
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch.nn import functional as F

from aru.core.errors import InputError
from aru.metrics.metrics_file import ClassFigures

_BLOCK = 1 << 22  # values that are computed with at once


@dataclass(frozen=True)
class UtilityColumns:
    """What the utility of one model on one set is made of, an image a row.

    `means`: name -> (M,), whose weighted means are figures. `cell`: (M, G), the number below `cells` of the one cell of each
    group that an image belongs to; `hit`: (M, G), whether it is answered rightly there. A recall is the share of hits in a
    cell. Single label: one group (G) of C classes. Multi-label: a group a label, with the cells 0 and 1.
    """

    means: dict[str, np.ndarray]
    cell: np.ndarray
    hit: np.ndarray
    cells: int

    def summed(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The weights (R, M) of the images in each cell, and of those among them that are answered rightly: (R, G, cells)."""
        sums = [
            np.stack([weights @ self._members(group, values) for group in range(self.cell.shape[1])], axis=1)
            for values in (np.ones_like(self.hit), self.hit)
        ]
        return sums[0], sums[1]

    def _members(self, group: int, values: np.ndarray) -> csr_array:
        """(M, cells), sparse: of thousands of classes a table of images by classes would fill the memory."""
        images = len(self.cell)
        return csr_array((values[:, group], self.cell[:, group], np.arange(images + 1)), shape=(images, self.cells))


def per_example_loss(logits: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """Cross-entropy of every image; for multi-label targets the mean binary cross-entropy over the labels.

    Shape: logits (M, C), targets (M,) int64 in [0, C), or logits and targets (M, L), targets 0 or 1; result
    (M,), float32 as in the benchmark, whose attack sees these very numbers.
    """
    check_logits(logits, targets)
    logits = logits.detach().cpu().float()
    if targets.dim() == 2:
        losses = F.binary_cross_entropy_with_logits(logits, targets.cpu().float(), reduction="none").mean(dim=1)
    else:
        parts = zip(_blocks(logits), targets.cpu().split(_rows_of_block(logits.shape[1])), strict=True)
        losses = torch.cat([F.cross_entropy(part, truth, reduction="none") for part, truth in parts])
    return losses.numpy()


def _rows_of_block(columns: int) -> int:
    return max(1, _BLOCK // max(1, columns))


def _blocks(values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The rows in blocks of at most `_BLOCK` values: what is computed of all at once is a multiple of them."""
    return values.split(_rows_of_block(values.shape[1]))


def utility_columns(logits: torch.Tensor, targets: torch.Tensor) -> UtilityColumns:
    """Reduce logits to the columns that every utility figure is a weighted mean of.

    Shape: as `per_example_loss`. Top-2 is left out where it could not be wrong (fewer than three classes) and
    for multi-label targets.
    """
    loss = per_example_loss(logits, targets).astype(np.float64)
    if targets.dim() == 2:
        return _multi_label_columns(logits, targets, loss)
    return _single_label_columns(logits, targets, loss)


def utility_figures(columns: UtilityColumns, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The figures under each row of weights.

    Shape: weights (R, M), not negative, each row with a positive sum; result name -> (R,). A class without
    weight is left out of the balanced accuracy, as a class without images is.
    """
    total = weights.sum(axis=1)
    figures = {name: weights @ column / total for name, column in columns.means.items()}
    rows = _rows_of_block(columns.cell.shape[1] * columns.cells)
    blocks = [_balanced_accuracy(columns, weights[begin : begin + rows]) for begin in range(0, len(weights), rows)]
    figures["balanced_accuracy"] = np.concatenate(blocks)
    return figures


def _balanced_accuracy(columns: UtilityColumns, weights: np.ndarray) -> np.ndarray:
    count, right = columns.summed(weights)
    recall = np.divide(right, count, out=np.zeros_like(right), where=count > 0)
    accuracy: np.ndarray = (recall.sum(axis=2) / (count > 0).sum(axis=2)).mean(axis=1)
    return accuracy


def utility(logits: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """accuracy, balanced_accuracy, top2_accuracy (three classes or more) and loss of one model on one set.

    Balanced accuracy is the mean recall over the classes present. Multi-label: the accuracy is averaged over
    the labels as MUCAC does (an output above 0 says 1), the balanced accuracy too.
    """
    columns = utility_columns(logits, targets)
    figures = utility_figures(columns, np.ones((1, len(targets))))
    return {name: float(values[0]) for name, values in figures.items()}


def per_class(logits: torch.Tensor, targets: torch.Tensor) -> ClassFigures:
    """Accuracy and number of images by class (by label for multi-label targets)."""
    sums = utility_columns(logits, targets).summed(np.ones((1, len(targets))))
    count, right = (each[0].sum(axis=1) if targets.dim() == 2 else each[0, 0] for each in sums)
    return {
        "accuracy": [float(hit / images) if images else None for hit, images in zip(right, count, strict=True)],
        "count": [int(images) for images in count],
    }


def check_logits(logits: torch.Tensor, targets: torch.Tensor) -> None:
    """Raise InputError where logits and targets do not fit together or the model has diverged."""
    if len(targets) == 0:
        raise InputError("a set without images can not be evaluated: at least one image is needed")
    if logits.dim() != 2 or len(logits) != len(targets) or (targets.dim() == 2 and logits.shape != targets.shape):
        raise InputError(
            f"logits {tuple(logits.shape)} do not fit targets {tuple(targets.shape)}: expected (M, C) with "
            "(M,), or (M, L) with (M, L)"
        )
    if targets.dim() == 1 and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]:
        raise InputError(
            f"targets run from {int(targets.min())} to {int(targets.max())}, the model has "
            f"{logits.shape[1]} outputs: classes are numbered from 0"
        )
    bad = sum(int((~torch.isfinite(part)).sum()) for part in _blocks(logits))
    if bad:
        raise InputError(f"{bad} of {logits.numel()} logits are not finite: the model has diverged, lower its rate")


def _single_label_columns(logits: torch.Tensor, targets: torch.Tensor, loss: np.ndarray) -> UtilityColumns:
    logits, targets = logits.detach().cpu(), targets.cpu()
    correct = (logits.argmax(dim=1) == targets).numpy().astype(np.float64)
    means = {"accuracy": correct, "loss": loss}
    if logits.shape[1] > 2:
        means["top2_accuracy"] = (logits.topk(2, dim=1).indices == targets[:, None]).any(dim=1).numpy().astype(np.float64)
    return UtilityColumns(means, targets.numpy()[:, None], correct[:, None], logits.shape[1])


def _multi_label_columns(logits: torch.Tensor, targets: torch.Tensor, loss: np.ndarray) -> UtilityColumns:
    truth = targets.cpu().numpy() > 0.5
    correct = (logits.detach().cpu().numpy() > 0) == truth
    means = {"accuracy": correct.mean(axis=1), "loss": loss}
    return UtilityColumns(means, truth.astype(np.int64), correct.astype(np.float64), 2)
