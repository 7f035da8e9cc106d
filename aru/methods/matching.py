"""Images of the same classes as others: what stands in for people never seen, whom no method reads."""

import torch


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
