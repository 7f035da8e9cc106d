"""How far a model's weights are from another's, and whether a ridge of loss lies between them.

Weight distance predicts how well forgetting resists relearning (arXiv 2505.22310). The barrier is that of linear mode
connectivity (Frankle et al. 2020, arXiv 1912.05671): models that share what they learned have none.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.modes import evaluating
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import ImageSet
from aru.metrics.utility import per_example_loss
from aru.nets.models import batchnorms
from aru.train.loop import batches_of, predict_placed

POINTS = 11
STATISTICS_IMAGES = 2048


class Distance(TypedDict):
    """Of two sets of weights: |U - O|_2, and the same over |O|_2; None where O is all zero."""

    distance: float
    relative: float | None


class WeightDistance(TypedDict):
    """All weights together, and every module that has parameters of its own."""

    total: Distance
    layers: dict[str, Distance]


class Barrier(TypedDict):
    """Places between two models, the mean loss there by set, and its greatest rise above the straight line by set."""

    t: list[float]
    loss: dict[str, list[float]]
    barrier: dict[str, float]


def weight_distance(model: nn.Module, origin: nn.Module) -> WeightDistance:
    """`total`, and under `layers` for each module with own parameters: `distance` |U - O|_2 and `relative`, over |O|_2.

    Parameters alone count, no running statistics. `relative` is None where the origin's weights are all zero.
    """
    pairs = _pairs(model, origin)
    squares: dict[str, tuple[float, float]] = {}
    for name, (one, other) in pairs.items():
        layer = name.rpartition(".")[0] or name  # a parameter of the model itself is a layer of its own
        apart, norm = squares.get(layer, (0.0, 0.0))
        one, other = one.detach().double().cpu(), other.detach().double().cpu()
        squares[layer] = apart + float((one - other).square().sum()), norm + float(other.square().sum())
    total = tuple(sum(column) for column in zip(*squares.values(), strict=True))
    return {"total": _distance(*total), "layers": {layer: _distance(*pair) for layer, pair in squares.items()}}


def linear_barrier(
    one: nn.Module,
    other: nn.Module,
    measured: Mapping[str, ImageSet],
    retain: ImageSet,
    *,
    seed: int,
    compute: Compute,
    points: int = POINTS,
    statistics_images: int = STATISTICS_IMAGES,
    progress: Progress = silent,
) -> Barrier:
    """Mean loss along (1 - t) one + t other, and how far it rises above the straight line between the ends' losses.

    At every point, the ends among them, BatchNorm's statistics are measured anew, on `statistics_images` retain images at
    most: those of the ends fit no model in between. Copies are used; both models are left as they were.

    Result: `t` (points,); `loss`, set -> (points,); `barrier`, set -> the greatest rise, never below 0, in units of
    the loss.
    """
    if points < 3:
        raise InputError(f"points is {points}: 3 or more are needed, the ends and something in between")
    pairs = _pairs(one, other)
    between, places = compute.placed_copy(one), np.linspace(0, 1, points)
    sample = retain.take(torch.randperm(len(retain), generator=generator(seed, "barrier"))[:statistics_images].numpy())
    losses: dict[str, list[float]] = {name: [] for name in measured}
    for number, place in enumerate(places.tolist()):
        with torch.no_grad():
            for name, parameter in between.named_parameters():
                start, end = (side.detach().to(compute.device) for side in pairs[name])
                parameter.copy_((1 - place) * start + place * end)  # exact at both ends
        renew_statistics(between, sample, seed=seed, compute=compute)
        for name, data in measured.items():
            losses[name].append(
                float(per_example_loss(predict_placed(between.eval(), data, compute=compute), data.targets).mean())
            )
        progress(number + 1, points, "barrier")
    return {"t": places.tolist(), "loss": losses, "barrier": {name: barrier(values) for name, values in losses.items()}}


def barrier(losses: Sequence[float]) -> float:
    """The greatest rise above the straight line between the first and the last of losses at equal distances."""
    values = np.asarray(losses)
    return float((values - np.linspace(values[0], values[-1], len(values))).max())


def renew_statistics(model: nn.Module, data: ImageSet, *, seed: int, compute: Compute, batch_size: int = 256) -> None:
    """Replace the running statistics of `model` by the mean over the batches of `data`; its modes are left as they were.

    Everything but BatchNorm answers in evaluation mode meanwhile.
    """
    norms = [module for module in batchnorms(model) if module.running_mean is not None]
    if not norms:
        return
    momenta = [module.momentum for module in norms]
    with evaluating(compute.place(model)), torch.no_grad(), compute.autocast():
        for module in norms:
            module.reset_running_stats()
            module.train()
            module.momentum = None  # the plain mean over all batches
        for positions in batches_of(len(data), batch_size, generator(seed, "barrier/statistics")):
            model(data.batch(positions, compute.device)[0])
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum


def _pairs(one: nn.Module, other: nn.Module) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """The parameters of both by name; InputError where the models are not of one architecture."""
    first, second = dict(one.named_parameters()), dict(other.named_parameters())
    for name in sorted(first.keys() | second.keys()):
        shapes = [tuple(side[name].shape) if name in side else "none" for side in (first, second)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{name} has the shape {shapes[0]} in one model and {shapes[1]} in the other: weights are "
                "compared between models of one architecture"
            )
    return {name: (first[name], second[name]) for name in first}


def _distance(apart: float, norm: float) -> Distance:
    return {"distance": apart**0.5, "relative": (apart / norm) ** 0.5 if norm > 0 else None}
