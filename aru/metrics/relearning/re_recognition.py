"""Re-recognition: how often a model finds the forgotten label again in a small ball around each forget photo.

A model may answer a forget photo as a retrained one does, and answer a photo beside it, which looks the same, as the original
did: what it learned then still lies around the photo (Hsu et al. 2025, NeurIPS, arXiv 2601.22359, who call it residual
knowledge and hold it to the retrained model). Each model is asked by projected gradient descent towards the photo's own label,
in L-infinity. A ball in which a label can be found grows with the radius for every network, so that only the difference to a
retrained model tells anything.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.seeds import generator
from aru.data.images import ImageSet
from aru.methods.aru.attack import projected_gradient_descent
from aru.metrics.reported_figures import Radius, ReRecognition
from aru.metrics.utility import utility_columns
from aru.stats.shares import RESAMPLES, shares

RADII = (1 / 255, 2 / 255, 4 / 255, 8 / 255)
"""Of pixels in [0, 1]; the last is the bound that ARU's own noise has."""
STEPS = 10
STRIDE = 2.5
"""Steps of STRIDE * radius / STEPS reach the ball's border and turn there (Madry et al. 2018, arXiv 1706.06083)."""
PHOTOS = 512
"""At most; more are drawn from."""
_BATCH = 128


def re_recognition(
    models: Mapping[str, nn.Module],
    data: ImageSet,
    people: np.ndarray,
    *,
    compute: Compute,
    seed: int,
    radii: tuple[float, ...] = RADII,
    resamples: int = RESAMPLES,
) -> ReRecognition:
    """Each model on the photos of the forget set `data`; the models are left as they were.

    Shape: people (M,), the person of each photo. Shares have intervals over people and, where a model is called `retrained`,
    the gap to it, people drawn alike. Radii grow: what was found in a ball is in every larger one. Raises InputError for
    inputs that are not floating-point numbers in [0, 1], where there is no small ball.
    """
    drawn = torch.randperm(len(data), generator=generator(seed, "re-recognition"))[:PHOTOS].sort().values
    asked, groups = data.take(drawn.numpy()), np.asarray(people)[drawn.numpy()]
    found = {name: _found(model, asked, radii, compute) for name, model in models.items()}
    rows: list[Radius] = []
    for place, radius in enumerate((0.0, *radii)):
        columns = {name: right[place].astype(np.float64) for name, right in found.items()}
        wrong = {name: ~right[0] for name, right in found.items()}
        rows.append(
            {
                "radius": radius,
                "recognized": shares(columns, groups, seed=seed, resamples=resamples),
                "regained": {
                    name: shares({name: column[wrong[name]]}, groups[wrong[name]], seed=seed, resamples=resamples)[name]
                    if wrong[name].any()
                    else None
                    for name, column in columns.items()
                },
            }
        )
    return {"radii": rows, "photos": len(asked), "people": len(np.unique(groups))}


def _found(model: nn.Module, data: ImageSet, radii: tuple[float, ...], compute: Compute) -> np.ndarray:
    """Whether the label is found, on the photo itself and in each ball. Shape: (1 + radii, M) bool; of labels, all of them."""
    placed, parts = compute.placed_copy(model).eval().requires_grad_(False), []
    for positions in torch.arange(len(data)).split(_BATCH):
        images, targets = data.batch(positions, compute.device)
        if not images.is_floating_point() or images.min() < 0 or images.max() > 1:
            raise InputError("re-recognition looks in a small ball of pixels in [0, 1], and these inputs are not such numbers")
        right = [_right(placed, images, targets, compute)]
        for radius in radii:
            known, left = right[-1].clone(), torch.nonzero(~right[-1]).flatten().to(images.device)
            if len(left):
                noise = projected_gradient_descent(
                    placed,
                    images[left],
                    targets[left],
                    torch.zeros_like(images[left]),
                    eps=radius,
                    alpha=STRIDE * radius / STEPS,
                    steps=STEPS,
                    ascend=False,
                    compute=compute,
                )
                known[left.cpu()] = _right(placed, images[left] + noise, targets[left], compute)
            right.append(known)
        parts.append(torch.stack(right))
    return torch.cat(parts, dim=1).numpy()


def _right(placed: nn.Module, images: torch.Tensor, targets: torch.Tensor, compute: Compute) -> torch.Tensor:
    """Whether each image is answered rightly, every label of it. Shape: (B,) bool on the CPU."""
    with torch.no_grad(), compute.autocast():
        logits = placed(images)
    return torch.from_numpy(utility_columns(logits.float().cpu(), targets.cpu()).means["accuracy"] == 1.0)
