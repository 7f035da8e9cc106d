"""ARU, step 2: gradient discrepancy -> score per unit -> boolean mask per layer."""

import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.modes import all_trained
from aru.compute.transfer import sent
from aru.core.config import MaskConfig
from aru.core.errors import InputError, TrainingError
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import ImageSet
from aru.nets.models import batchnorms, first_not_finite
from aru.nets.units import unit_layers
from aru.train.finite import DIVERGED, require_finite
from aru.train.loop import chunks
from aru.train.tasks import CLASSIFICATION, Task

Scores = dict[str, torch.Tensor]
Mask = dict[str, torch.Tensor]
"""By layer: (O,) per filter, (O, I) per kernel, or the shape of the weight with its units first; True is reset."""


def mask(
    model: nn.Module,
    data: ImageSet,
    noise: torch.Tensor,
    config: MaskConfig,
    *,
    seed: int,
    compute: Compute,
    retain: ImageSet | None = None,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> tuple[Scores, Mask]:
    """Score the units of every layer by the forget set's gradient discrepancy and mark the chosen share.

    docs/protocol.md, "ARU", 2; the stage `mask`, the method `aru` and the library call this with the seed of the run.
    `noise` is (M, 3, H, W), in the order of `data`, the forget set. The random mask has scores, too, so that a control
    differs from what it controls in the selection alone. `retain` is read, as many images of it as there are in `data`,
    only where ``config.normalise`` is "retain".
    """
    random = generator(seed, "mask")
    scores = discrepancy(model, data, noise, config, compute=compute, progress=progress, task=task)
    if config.normalise == "retain":
        if retain is None:
            raise InputError("mask.normalise is 'retain' and no retain set was given: give it, or set it to 'none'")
        drawn = torch.randperm(len(retain), generator=random)[: len(data)].sort().values.numpy()
        scores = normalised(scores, gradients(model, retain.take(drawn), config, compute=compute, task=task), config)
    return scores, select(scores, config, generator=random)


def normalised(scores: Scores, of_retain: dict[str, torch.Tensor], config: MaskConfig) -> Scores:
    """Scores over the size of the retain images' mean gradient at the same unit: what is the forget set's own."""
    sizes = {name: reduce(gradient, config.unit) for name, gradient in of_retain.items()}
    return {name: score / (sizes[name] + torch.finfo(torch.float32).tiny) for name, score in scores.items()}


def discrepancy(
    model: nn.Module,
    data: ImageSet,
    noise: torch.Tensor,
    config: MaskConfig,
    *,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> Scores:
    """|g_image - g_noise| per unit and layer, float32 on the CPU, each gradient a mean over the forget set."""
    of_images = gradients(model, data, config, compute=compute, progress=_half(progress, 0), task=task)
    of_noises = gradients(model, data, config, noise=noise, compute=compute, progress=_half(progress, 1), task=task)
    return {name: reduce(of_images[name] - of_noises[name], config.unit) for name in of_images}


def gradients(
    model: nn.Module,
    data: ImageSet,
    config: MaskConfig,
    *,
    compute: Compute,
    noise: torch.Tensor | None = None,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> dict[str, torch.Tensor]:
    """Mean gradient of the loss, under the true labels, with respect to every weight with units, these along the first axis.

    With `noise` the model sees the noise alone, or image + noise where `config.contrast` is ``"perturbed"``. A copy of
    the model does the work, so that BatchNorm in train mode leaves the model's statistics alone. The gradient of a layer on
    which the answer does not depend is 0. Raises TrainingError where
    the loss or a gradient is not finite: a mask from such scores would mean nothing.
    """
    check_count(config, len(data))
    placed = all_trained(compute.placed_copy(model)).eval()  # layers that the caller has frozen have scores, too
    for module in batchnorms(placed):
        module.train(config.batchnorm == "train")
    layers = unit_layers(placed)
    weights = {name: layer.parameter(placed) for name, layer in layers.items()}
    if not weights:
        raise InputError(f"{type(model).__name__} has no layer with units before its classifier: there is nothing to reset")
    totals = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    losses = torch.zeros((), device=compute.device)
    parts = chunks(torch.arange(len(data)), config.batch_size)
    for positions, (inputs, targets) in zip(parts, data.batches(parts, compute.device), strict=True):
        if noise is not None:
            part = sent(noise[positions], compute.device)
            inputs = inputs + part if config.contrast == "perturbed" else part
        with compute.autocast():
            loss = task.summed(placed, inputs, targets)
        found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, found, strict=True):
            if gradient is not None:  # None: the answer does not depend on the layer, as on an auxiliary classifier
                totals[name] += gradient
        losses += loss.detach()
        progress(int(positions[-1]) + 1, len(data), "mask")
    means = {name: layers[name].units_first(total / len(data)).float().cpu() for name, total in totals.items()}
    broken = first_not_finite(means)
    if broken is not None:
        raise TrainingError(
            f"the model's mean loss is {losses.item() / len(data)}, its gradient at {broken} is not finite{DIVERGED}"
        )
    require_finite(losses / len(data), "the model's mean loss", DIVERGED)
    return means


def check_count(config: MaskConfig, count: int) -> None:
    """Refuse one image where BatchNorm takes its statistics from the images."""
    if config.batchnorm == "train" and count < 2:
        raise InputError("mask.batchnorm is 'train' and one image has no statistics: set it to 'eval', or give more images")


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
        ratios = layer_ratios(config, len(scores))
        return {
            name: _marked(score, config.select, ratio, generator)
            for (name, score), ratio in zip(scores.items(), ratios, strict=True)
        }
    joined = _marked(torch.cat([score.flatten() for score in scores.values()]), config.select, config.ratio, generator)
    parts = joined.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}


def layer_ratios(config: MaskConfig, layers: int) -> list[float]:
    """The share of each layer, first to last: the same, or rising from 0 to twice the ratio (1 at most), or falling."""
    if config.schedule == "flat" or layers == 1:
        return [config.ratio] * layers
    rising = [min(1.0, 2 * config.ratio * layer / (layers - 1)) for layer in range(layers)]
    return rising if config.schedule == "rising" else rising[::-1]


def _marked(score: torch.Tensor, which: str, ratio: float, generator: torch.Generator) -> torch.Tensor:
    flat = score.flatten()
    count = int(ratio * flat.numel() + 0.5)
    if which == "random":
        order = torch.randperm(flat.numel(), generator=generator)
    else:
        order = flat.argsort(descending=which == "largest", stable=True)
    marked = torch.zeros(flat.numel(), dtype=torch.bool)
    marked[order[:count]] = True
    return marked.view(score.shape)


def _half(progress: Progress, which: int) -> Progress:
    return lambda done, total, text: progress(which * total + done, 2 * total, text)
