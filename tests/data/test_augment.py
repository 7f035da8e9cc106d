"""Augmentations: each operation against torchvision's, and the distribution of the whole against its transforms."""

import numpy as np
import pytest
import torch
from torchvision import transforms
from torchvision.transforms import functional

from aru.data.augment import augment, jitter, warp
from tests.helpers.toys import generator

SIDE = 24


@pytest.fixture(scope="module")
def images():
    rough = torch.rand(6, 3, 6, 6, generator=generator(3))
    return torch.nn.functional.interpolate(rough, size=(SIDE, SIDE), mode="bilinear")


@pytest.mark.parametrize("shear, scale", [(0.0, 1.0), (10.0, 1.0), (-7.5, 1.2), (4.0, 0.8)])
@pytest.mark.parametrize("flip", [False, True])
def test_warp_equals_torchvisions_affine(images, shear, scale, flip):
    count = len(images)
    ours = warp(images, torch.full((count,), flip), torch.full((count,), shear), torch.full((count,), scale))
    flipped = functional.hflip(images) if flip else images
    theirs = functional.affine(flipped, angle=0, translate=[0, 0], scale=scale, shear=[shear, 0.0])
    assert (ours - theirs).abs().gt(1e-5).float().mean() < 0.01  # pixels exactly between two neighbours may round apart


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_jitter_equals_torchvisions_operations_in_the_same_order(images, order):
    factors = torch.tensor([0.83, 1.17, 0.9]).expand(len(images), 3)
    ours = jitter(images, factors, torch.tensor(order).expand(len(images), 3))
    operations = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)
    theirs = images
    for which in order:
        theirs = operations[which](theirs, factors[0, which].item())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_the_distribution_is_that_of_the_benchmarks_transforms(images):
    """Per-pixel mean and spread over many draws agree within their standard errors."""
    draws = 1500
    recipe = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(0, shear=10, scale=(0.8, 1.2)),
            transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
        ]
    )
    ours = augment(images[:1].expand(draws, -1, -1, -1), generator=generator(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.stack([recipe(images[0]) for _ in range(draws)])
    error = (ours.var(dim=0) / draws + theirs.var(dim=0) / draws).sqrt().clamp(min=1e-4)
    z = (ours.mean(dim=0) - theirs.mean(dim=0)) / error
    assert z.abs().mean() < 1.5 and (z.abs() > 4).float().mean() < 0.02
    assert abs(ours.std(dim=0).mean() / theirs.std(dim=0).mean() - 1) < 0.05


def test_each_image_draws_its_own_and_values_stay_in_range(images):
    out = augment(images[:1].expand(8, -1, -1, -1), generator=generator(1))
    assert out.min() >= 0 and out.max() <= 1
    assert len({np.asarray(image).tobytes() for image in out}) == 8
