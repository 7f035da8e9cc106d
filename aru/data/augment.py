"""MUFAC's training augmentations for a whole batch at once, on its device.

The benchmark's list (docs/protocol.md, "Training"): horizontal flip; RandomAffine(0, shear=10, scale=(0.8, 1.2)), nearest
neighbour, black outside; ColorJitter(0.2, 0.2, 0.2) in random order. Each image draws its own.
"""

import math

import torch
from torch.nn import functional

from aru.compute.transfer import sent

SHEAR_DEGREES = 10.0
SCALE = (0.8, 1.2)
JITTER = 0.2
_LUMA = (0.2989, 0.587, 0.114)  # of torchvision's rgb_to_grayscale
_OPERATIONS = 3  # brightness, contrast, saturation


def augment(images: torch.Tensor, *, generator: torch.Generator, of: int | None = None, begin: int = 0) -> torch.Tensor:
    """Flip, shear, scale and jitter each image by its own draws.

    of, begin: the images are those from `begin` on of a batch of so many, and become what they become in the whole of it.

    Shape:
        images: (B, 3, H, W) float in [0, 1]; the result likewise. `generator` is a CPU generator.
    """
    whole = draw_augmentation(len(images) if of is None else of, generator=generator)
    if len(images) == 0:  # affine_grid refuses it
        return images
    draws = sent(whole[begin : begin + len(images)], images.device)
    flip, shear, scale = draws[:, :3].unbind(dim=1)
    factors, order = draws[:, 3:].split(_OPERATIONS, dim=1)
    return jitter(warp(images, flip, shear, scale), factors, order.long())


def draw_augmentation(count: int, *, generator: torch.Generator) -> torch.Tensor:
    """What `count` images draw, (B, 9): flip (0 or 1), shear, scale, three factors, and the order of the three operations.

    One tensor, so that it is one copy to a GPU.
    """
    flip = torch.rand(count, generator=generator) < 0.5
    shear = _uniform(count, -SHEAR_DEGREES, SHEAR_DEGREES, generator)
    scale = _uniform(count, *SCALE, generator)
    factors = _uniform(count * _OPERATIONS, 1 - JITTER, 1 + JITTER, generator).view(count, _OPERATIONS)
    order = torch.rand(count, _OPERATIONS, generator=generator).argsort(dim=1)
    return torch.cat([torch.stack([flip, shear, scale], dim=1), factors, order], dim=1)


def warp(images: torch.Tensor, flip: torch.Tensor, shear: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Flip (B,) 0 or 1, then shear along x (B,) degrees and scale (B,) about the centre; nearest, zero outside."""
    mirror = 1.0 - 2.0 * flip.to(images.dtype)
    theta = images.new_zeros(len(images), 2, 3)
    theta[:, 0, 0] = mirror / scale
    theta[:, 0, 1] = mirror * torch.tan(shear * (math.pi / 180)) / scale
    theta[:, 1, 1] = 1 / scale
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def jitter(images: torch.Tensor, factors: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Blend each image by three factors (B, 3) for brightness, contrast, saturation, in its own order (B, 3).

    All three operations are x -> f x + (1 - f) reference, with black, the mean grey or the grey image as reference:
    so one blend serves a batch in which every image is at another operation.
    """
    luma = sent(torch.tensor(_LUMA, dtype=images.dtype), images.device).view(1, 3, 1, 1)
    for turn in range(_OPERATIONS):
        operation = order[:, turn]
        factor = factors.gather(1, operation[:, None]).view(-1, 1, 1, 1).to(images.dtype)
        grey = (images * luma).sum(dim=1, keepdim=True)
        which = operation.view(-1, 1, 1, 1)
        reference = torch.where(which == 2, grey, (which == 1) * grey.mean(dim=(2, 3), keepdim=True))
        images = (factor * images + (1 - factor) * reference).clamp_(0, 1)
    return images


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low
