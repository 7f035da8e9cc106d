"""Images held out, and images of the same classes as others: what stands in for people never seen, whom no method reads."""

import torch

from aru.core.errors import InputError
from aru.data.images import ImageSet


def same_classes(wanted: torch.Tensor, pool: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """For each class in `wanted` the position of an image of that class in `pool`, drawn with replacement.

    A class that the pool lacks is drawn from the whole pool.

    Shape:
        wanted: (B,) int64; pool: (M,) int64, on the CPU; result: (B,) int64, on the CPU.
    """
    positions = torch.empty(len(wanted), dtype=torch.int64)
    labels = wanted.cpu()
    for label in labels.unique():
        places = (pool == label).nonzero().flatten()
        candidates = places if len(places) else torch.arange(len(pool))
        here = labels == label
        positions[here] = candidates[torch.randint(len(candidates), (int(here.sum()),), generator=generator)]
    return positions


def divided(data: ImageSet, share: float, method: str, *, generator: torch.Generator) -> tuple[ImageSet, ImageSet]:
    """A part of `data` of this share, at least one image, and the rest, at least one. Raises InputError for fewer than two."""
    if len(data) < 2:
        raise InputError(f"{method} holds out a part of retain, which has {len(data)} image: give at least 2")
    order = torch.randperm(len(data), generator=generator).numpy()
    count = min(max(1, round(share * len(data))), len(data) - 1)
    return data.take(order[:count]), data.take(order[count:])
