"""ARU stage 2a: gradient discrepancy -> score per unit -> boolean mask per layer."""

import copy

import torch
from torch import nn

from aru.compute import Compute
from aru.config import MaskConfig
from aru.data.images import ImageSet
from aru.losses import task_loss
from aru.models import resettable
from aru.progress import Progress, silent

Scores = dict[str, torch.Tensor]
Mask = dict[str, torch.Tensor]
"""By layer: (O,) per filter, (O, I) per kernel, or the weight's own shape; True is reset."""


def mask(
    model: nn.Module,
    data: ImageSet,
    noise: torch.Tensor,
    config: MaskConfig,
    *,
    generator: torch.Generator,
    compute: Compute,
    progress: Progress = silent,
) -> tuple[Scores, Mask]:
    """Score the units of every layer by the forget set's gradient discrepancy and mark the chosen share.

    PROTOCOL.md, section 1, stage 2. `noise` is (M, 3, H, W), in the order of `data`. The random mask scores, too, so
    that a control differs from what it controls in the selection alone.
    """
    scores = discrepancy(model, data, noise, config, compute=compute, progress=progress)
    return scores, select(scores, config, generator=generator)


def discrepancy(
    model: nn.Module,
    data: ImageSet,
    noise: torch.Tensor,
    config: MaskConfig,
    *,
    compute: Compute,
    progress: Progress = silent,
) -> Scores:
    """|g_image - g_noise| per unit and layer, float32 on the CPU, each gradient a mean over the forget set."""
    of_images = gradients(model, data, config, compute=compute, progress=_half(progress, 0))
    of_noises = gradients(model, data, config, noise=noise, compute=compute, progress=_half(progress, 1))
    return {name: reduce(of_images[name] - of_noises[name], config.unit) for name in of_images}


def gradients(
    model: nn.Module,
    data: ImageSet,
    config: MaskConfig,
    *,
    compute: Compute,
    noise: torch.Tensor | None = None,
    progress: Progress = silent,
) -> dict[str, torch.Tensor]:
    """Mean gradient of the loss, under the true labels, with respect to every resettable weight.

    With `noise` the model sees the noise alone, or image + noise where `config.contrast` is ``"perturbed"``. A copy of
    the model does the work, so that BatchNorm in train mode leaves the model's statistics alone.
    """
    twin = compute.place(copy.deepcopy(model)).eval()
    for module in twin.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(config.batchnorm == "train")
    weights = resettable(twin)
    totals = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for positions in torch.arange(len(data)).split(config.batch_size):
        inputs, targets = data.batch(positions, compute.device)
        if noise is not None:
            part = noise[positions].to(compute.device)
            inputs = inputs + part if config.contrast == "perturbed" else part
        with compute.autocast():
            loss = task_loss(twin(inputs), targets, reduction="sum")
        for name, gradient in zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True):
            totals[name] += gradient
        progress(int(positions[-1]) + 1, len(data), "mask")
    return {name: (total / len(data)).float().cpu() for name, total in totals.items()}


def reduce(difference: torch.Tensor, unit: str) -> torch.Tensor:
    """One score a unit from a gradient difference (O, ...) of a layer's weight.

    filter: mean of the absolute difference over the output channel's weights. kernel: absolute value of the mean over
    the k x k window (the ViT port's order of operations); for Linear layers, where a kernel is one weight, the same
    as weight.
    """
    if unit == "weight":
        return difference.abs()
    if unit == "kernel":
        return difference.flatten(2).mean(dim=2).abs() if difference.ndim > 2 else difference.abs()
    return difference.abs().flatten(1).mean(dim=1)


def select(scores: Scores, config: MaskConfig, *, generator: torch.Generator) -> Mask:
    """Mark exactly round(ratio * units) units, in every layer or over all layers; ties go to the lower index."""
    if config.scope == "layer":
        return {name: _marked(score, config, generator) for name, score in scores.items()}
    joined = _marked(torch.cat([score.flatten() for score in scores.values()]), config, generator)
    parts = joined.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}


def _marked(score: torch.Tensor, config: MaskConfig, generator: torch.Generator) -> torch.Tensor:
    flat = score.flatten()
    count = int(config.ratio * flat.numel() + 0.5)
    if config.select == "random":
        order = torch.randperm(flat.numel(), generator=generator)
    else:
        order = flat.argsort(descending=config.select == "largest", stable=True)
    marked = torch.zeros(flat.numel(), dtype=torch.bool)
    marked[order[:count]] = True
    return marked.view(score.shape)


def _half(progress: Progress, which: int) -> Progress:
    return lambda done, total, text: progress(which * total + done, 2 * total, text)
