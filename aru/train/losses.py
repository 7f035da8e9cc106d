"""The loss of each task."""

from typing import Literal

import torch
from torch.nn import functional

Reduction = Literal["mean", "sum", "none"]


def task_loss(logits: torch.Tensor, targets: torch.Tensor, *, reduction: Reduction = "mean") -> torch.Tensor:
    """Cross-entropy for classes (B,) int64; binary cross-entropy, mean over labels, for (B, L) floats.

    Shape:
        logits: (B, C); result: a scalar, or (B,) with ``reduction="none"``. Computed in float32.
    """
    logits = logits.float()
    if not targets.is_floating_point():
        return functional.cross_entropy(logits, targets, reduction=reduction)
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
    if reduction == "none":
        return each
    return each.sum() if reduction == "sum" else each.mean()


def distillation_loss(logits: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """T^2 KL(teacher || student) of softened outputs, mean over the batch (Hinton et al. 2015, section 2).

    Shape:
        logits, teacher: (B, C) of one softmax.
    """
    student = functional.log_softmax(logits.float() / temperature, dim=1)
    target = functional.log_softmax(teacher.float() / temperature, dim=1)
    return functional.kl_div(student, target, reduction="batchmean", log_target=True) * temperature**2
