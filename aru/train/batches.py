"""Batches for the methods: one shuffled pass, an endless one, two sets as one, other labels."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypedDict

import numpy as np
import torch

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.train.loop import batches_of, chunks

_BITS = 62  # labels whose flips one random int64 gives

Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (B, 3, H, W) in [0, 1], and their targets."""


class BatchOptions(TypedDict):
    """The keyword arguments of `shuffled`, `endless` and `load`."""

    generator: torch.Generator
    compute: Compute
    augmented: bool


def shuffled(data: ImageSet, size: int, *, generator: torch.Generator, compute: Compute, augmented: bool) -> Iterator[Batch]:
    """One pass over `data` in a fresh order: images (B, 3, H, W) in [0, 1] and targets, on the device.

    A lone image, as of one person with one photo, is its batch twice: BatchNorm cannot be trained on it once, and means over
    the batch stay what they are.
    """
    alone = [torch.zeros(2, dtype=torch.int64)]
    parts = alone if len(data) == 1 else batches_of(len(data), size, generator)
    for images, targets in data.batches(parts, compute.device):
        yield (data.augment(images, generator=generator) if augmented else images), targets


def endless(data: ImageSet, size: int, *, generator: torch.Generator, compute: Compute, augmented: bool) -> Iterator[Batch]:
    """Pass after pass, each in a fresh order."""
    while True:
        yield from shuffled(data, size, generator=generator, compute=compute, augmented=augmented)


def load(data: ImageSet, positions: torch.Tensor, *, generator: torch.Generator, compute: Compute, augmented: bool) -> Batch:
    """The images at these positions, augmented where wanted."""
    images, targets = data.batch(positions, compute.device)
    return (data.augment(images, generator=generator) if augmented else images), targets


def passes(count: int, size: int) -> int:
    """How many batches one pass over `count` images makes (a lone last image joins the batch before it)."""
    return len(chunks(torch.arange(count), size))


def joined(first: ImageSet, second: ImageSet) -> ImageSet:
    """Both sets as one, the second after the first; they must be rows of one array."""
    if first.images is not second.images:
        raise InputError("the two sets are rows of different arrays: open them together with load_sets")
    return replace(first, rows=np.concatenate([first.rows, second.rows]), targets=torch.cat([first.targets, second.targets]))


def sample(data: ImageSet, count: int, *, generator: torch.Generator) -> ImageSet:
    """`count` images at most, drawn without replacement."""
    return data.take(torch.randperm(len(data), generator=generator)[:count].numpy())


def relabelled(data: ImageSet, *, generator: torch.Generator, own: bool = False) -> ImageSet:
    """The same images, each with a label drawn uniformly from all labels but its own; with `own` from all.

    For the multi-label task a label is the whole vector: one of the other 2^L - 1, or of all 2^L.
    """
    least = 0 if own else 1
    if data.targets.is_floating_point():
        flips = _flips(len(data), data.targets.shape[1], least, generator)
        return replace(data, targets=(data.targets - flips).abs())
    shift = torch.randint(least, data.outputs, (len(data),), generator=generator)
    return replace(data, targets=(data.targets + shift) % data.outputs)


def _flips(count: int, labels: int, least: int, generator: torch.Generator) -> torch.Tensor:
    """Which labels turn, (count, labels) of 0 and 1, uniform over all patterns; with `least` 1 over those that turn any."""
    if labels <= _BITS:
        return (torch.randint(least, 2**labels, (count, 1), generator=generator) >> torch.arange(labels)) & 1
    flips = torch.randint(2, (count, labels), generator=generator)
    while least and not flips.any(dim=1).all():
        again = ~flips.any(dim=1)
        flips[again] = torch.randint(2, (int(again.sum()), labels), generator=generator)
    return flips
