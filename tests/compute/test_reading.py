"""A model that is only read is placed once for a block; one that the block does not name is copied at each call."""

from dataclasses import replace

import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.reading import placed_once, to_read

CPU = Compute(torch.device("cpu"))


def test_a_named_model_is_copied_once_for_each_way_to_place_it_and_only_in_the_block() -> None:
    model, other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    with placed_once([model]):
        first = to_read(model, CPU)
        assert first is not model and not first.training and model.training
        assert to_read(model, replace(CPU, dtype=torch.bfloat16)) is first, "the number format is not of the model"
        fast = to_read(model, replace(CPU, fast_kernels=True))
        assert fast is not first and type(fast) is not type(first)
        assert to_read(other, CPU) is not to_read(other, CPU)
    assert to_read(model, CPU) is not first


def test_a_changed_model_is_read_as_it_is_outside_of_such_a_block() -> None:
    model = nn.Linear(2, 1)
    before = to_read(model, CPU).weight.clone()
    with torch.no_grad():
        model.weight += 1
    assert torch.equal(to_read(model, CPU).weight, before + 1)
