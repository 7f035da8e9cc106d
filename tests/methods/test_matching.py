"""Images of the same classes, and inputs moved by a gradient."""

import torch

from aru.methods.matching import same_classes
from aru.methods.perturbed import climbed
from tests.helpers.toys import generator


def test_each_wanted_class_gets_images_of_its_own_all_alike_often():
    pool = torch.tensor([0, 1, 1, 2, 0])
    found = same_classes(torch.tensor([1] * 3000), pool, generator=generator())
    assert set(found.tolist()) == {1, 2} and abs(found.float().mean() - 1.5) < 0.05
    mixed = torch.tensor([2, 0, 1, 2])
    assert torch.equal(pool[same_classes(mixed, pool, generator=generator())], mixed)


def test_a_class_that_is_missing_is_drawn_from_all():
    found = same_classes(torch.full((400,), 7), torch.tensor([0, 1, 2]), generator=generator())
    assert set(found.tolist()) == {0, 1, 2}


def test_pixels_stay_in_range_and_steps_that_turn_back_come_back():
    images = torch.full((1, 1, 1, 2), 0.9)
    seen = []
    found = climbed(images, lambda moved: seen.append(moved.detach()) or moved.sum(), steps=4, step_size=0.04)
    assert torch.equal(found, torch.ones(1, 1, 1, 2)) and torch.stack(seen).max() == 1
    there = climbed(images, lambda moved: -(moved - 0.5).square().sum(), steps=2, step_size=0.1)
    assert torch.allclose(there, torch.full((1, 1, 1, 2), 0.7))
