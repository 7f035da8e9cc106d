"""MUFAC's training augmentations for a whole batch at once, on its device.

The benchmark's list (docs/protocol.md, "Training"): horizontal flip; RandomAffine(0, shear=10, scale=(0.8, 1.2)), nearest
neighbour, black outside; ColorJitter(0.2, 0.2, 0.2) in random order. Each image draws its own.
"""

import math

import torch
from torch.nn import functional

SHEAR_DEGREES = 10.0
SCALE = (0.8, 1.2)
JITTER = 0.2
_LUMA = (0.2989, 0.587, 0.114)  # of torchvision's rgb_to_grayscale
_OPERATIONS = 3  # brightness, contrast, saturation


def augment(images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Flip, shear, scale and jitter each image by its own draws.

    Shape:
        images: (B, 3, H, W) float in [0, 1]; the result likewise. `generator` is a CPU generator.
    """
    count, device = len(images), images.device
    flip = torch.rand(count, generator=generator) < 0.5
    shear = _uniform(count, -SHEAR_DEGREES, SHEAR_DEGREES, generator)
    scale = _uniform(count, *SCALE, generator)
    factors = _uniform(count * _OPERATIONS, 1 - JITTER, 1 + JITTER, generator).view(count, _OPERATIONS)
    order = torch.rand(count, _OPERATIONS, generator=generator).argsort(dim=1)
    moved = warp(images, flip.to(device), shear.to(device), scale.to(device))
    return jitter(moved, factors.to(device), order.to(device))


def warp(images: torch.Tensor, flip: torch.Tensor, shear: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Flip (B,) bool, then shear along x (B,) degrees and scale (B,) about the centre; nearest, zero outside."""
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
    luma = images.new_tensor(_LUMA).view(1, 3, 1, 1)
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
