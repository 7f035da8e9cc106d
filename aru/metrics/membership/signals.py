"""What an attacker reads off one model about every image: loss, confidence, margin, entropy, gradient norm.

Computed in float64 from logits, never from probabilities: a model that is sure of its training images leaves
1 - p at the last bits of a float, which is just where members and others part. A multi-label image counts as one
two-class problem (0, z) a label, and its signal is the mean over the labels, as its loss is.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import logsumexp
from torch import nn

from aru.compute.device import Compute
from aru.compute.reading import to_read
from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.metrics.utility import check_logits
from aru.nets.models import classifier
from aru.train.loop import predict_placed
from aru.train.losses import task_loss

Formula = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(log p (M, C), log(1 - p) (M, C), rows (M,), true classes (M,)) -> (M,)."""


def confidence(logits: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """Probability p_y of the true class, in [0, 1]; higher for members.

    Shape: logits (M, C), C >= 2, with targets (M,) int64, or both (M, L); result (M,) float64, here and below.
    Raises InputError where they do not fit or are not finite.
    """
    return _signal(logits, targets, lambda log_p, log_rest, rows, true: np.exp(log_p[rows, true]))


def logit_confidence(logits: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """phi = log p_y - log(1 - p_y), near to Gaussian over training runs (Carlini et al. 2022, arXiv 2112.03570)."""
    return _signal(logits, targets, lambda log_p, log_rest, rows, true: log_p[rows, true] - log_rest[rows, true])


def margin(logits: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """z_y - logsumexp(z of the other classes), the margin of KLoM (Georgiev et al. 2024, arXiv 2410.23232).

    For one softmax it equals phi; it is computed apart from it and holds it to account.
    """
    values, classes, labels = _two_axes(logits, targets)
    rows = np.arange(len(values))
    true = values[rows, classes]
    values[rows, classes] = -np.inf
    return (true - logsumexp(values, axis=1)).reshape(-1, labels).mean(axis=1)


def modified_entropy(logits: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """-(1 - p_y) log p_y - sum over the other classes of p_i log(1 - p_i); lower for members.

    Source: Song and Mittal 2021 (USENIX Security, arXiv 2003.10595). Unlike the entropy it is near 0 only for an
    answer that is sure and right, and unbounded for one that is sure and wrong.
    """

    def entropy(log_p: np.ndarray, log_rest: np.ndarray, rows: np.ndarray, true: np.ndarray) -> np.ndarray:
        others = np.exp(log_p) * log_rest
        others[rows, true] = 0
        return -np.exp(log_rest[rows, true]) * log_p[rows, true] - others.sum(axis=1)

    return _signal(logits, targets, entropy)


def gradient_norm(model: nn.Module, data: ImageSet, *, compute: Compute, batch_size: int = 256) -> np.ndarray:
    """Euclidean norm of the loss's gradient in the classifier, image by image; lower for members.

    The gradient of a Linear layer is the residual p - y times its input h, so one forward pass gives every norm,
    |p - y| sqrt(|h|^2 + 1), the 1 for the bias. A classifier of another kind, or one that answers at many places of an
    image, is differentiated image by image, from the logits back to it. The model is left as it was.
    Shape: result (M,) float64. Nasr et al. 2019 (IEEE S&P) find the last layers' gradients to tell most.
    """
    placed, inputs = to_read(model, compute), list[torch.Tensor]()
    layer = placed.get_submodule(classifier(placed))
    handle = layer.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0].detach().float().cpu()))
    try:
        logits = predict_placed(placed, data, compute=compute, batch_size=batch_size)
    finally:
        handle.remove()
    hidden = torch.cat(inputs)
    if not isinstance(layer, nn.Linear) or hidden.dim() != 2 or len(hidden) != len(logits):
        return _differentiated(model, data, compute=compute, batch_size=batch_size)
    square = (hidden.double() ** 2).sum(dim=1).numpy() + (layer.bias is not None)
    return np.sqrt((_residuals(logits, data.targets) ** 2).sum(axis=1) * square)


def _differentiated(model: nn.Module, data: ImageSet, *, compute: Compute, batch_size: int) -> np.ndarray:
    """The same norms by automatic differentiation with respect to the classifier's own parameters."""
    twin = compute.placed_copy(model).eval().requires_grad_(False)
    parameters = list(twin.get_submodule(classifier(twin)).requires_grad_(True).parameters())
    norms: list[float] = []
    for positions in torch.arange(len(data)).split(batch_size):
        images, targets = data.batch(positions, compute.device)
        with compute.autocast():
            logits = twin(images)
        for logit, target in zip(logits.float(), targets, strict=True):
            loss = task_loss(logit.unsqueeze(0), target.unsqueeze(0))
            parts = torch.autograd.grad(loss, parameters, retain_graph=True)
            norms.append(float(sum(part.double().square().sum() for part in parts) ** 0.5))
    return np.array(norms)


def _residuals(logits: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """The loss's gradient in the logits. Shape: (M, C) or (M, L)."""
    check_logits(logits, targets)
    values, truth = logits.double(), targets.cpu()
    if truth.dim() == 2:
        return ((values.sigmoid() - truth.double()) / truth.shape[1]).numpy()
    return (values.softmax(dim=1) - nn.functional.one_hot(truth, values.shape[1])).numpy()


def _signal(logits: torch.Tensor, targets: torch.Tensor, formula: Formula) -> np.ndarray:
    """Apply a formula of (log p, log(1 - p), rows, true classes) and average over the labels."""
    values, true, labels = _two_axes(logits, targets)
    log_p = values - logsumexp(values, axis=1, keepdims=True)
    return formula(log_p, _log_complement(values, log_p), np.arange(len(true)), true).reshape(-1, labels).mean(axis=1)


def _log_complement(logits: np.ndarray, log_p: np.ndarray) -> np.ndarray:
    """log(1 - p) of every class, exact also where p rounds to 1, which only the largest p of a row can do."""
    rows, top = np.arange(len(logits)), logits.argmax(axis=1)
    others = logits.copy()
    others[rows, top] = -np.inf
    log_p = log_p.copy()
    log_p[rows, top] = -np.inf
    result = np.log1p(-np.exp(log_p))  # p <= 1/2 here: nothing cancels
    result[rows, top] = logsumexp(others, axis=1) - logsumexp(logits, axis=1)
    return result


def _two_axes(logits: torch.Tensor, targets: torch.Tensor) -> tuple[np.ndarray, np.ndarray, int]:
    """A copy of the logits as (M * labels, classes) float64, true classes (M * labels,), and the labels an image."""
    check_logits(logits, targets)
    values, truth = logits.detach().cpu().double().numpy(), targets.cpu().numpy()
    if truth.ndim == 2:
        flat = values.reshape(-1)
        return np.stack([np.zeros_like(flat), flat], axis=1), (truth.reshape(-1) > 0.5).astype(np.int64), truth.shape[1]
    if values.shape[1] < 2:
        raise InputError("logits of one class leave no other class to confuse it with: 2 outputs or more are needed")
    return values.copy(), truth.astype(np.int64), 1
