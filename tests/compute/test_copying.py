"""Copies of networks that keep what they have computed."""

import pytest
import torch
from torch import nn

from aru.compute.copying import copied
from aru.compute.modes import all_trained, trained_parameters


def test_what_a_network_keeps_of_a_pass_is_copied_without_its_graph() -> None:
    model = nn.Linear(3, 2)
    model.seen = model(torch.rand(4, 3))
    model.kept = {"all": [model.seen, model.seen.exp()]}
    model.tied = model.weight
    with pytest.raises(RuntimeError, match="deepcopy"):
        model.seen.__deepcopy__({})
    twin = copied(model)
    assert twin.seen.grad_fn is None and torch.equal(twin.seen, model.seen) and twin.seen is twin.kept["all"][0]
    assert torch.equal(twin.kept["all"][1], model.seen.exp()) and twin.seen.data_ptr() != model.seen.data_ptr()
    assert twin.tied is twin.weight is not model.weight and twin.weight.requires_grad and model.seen.grad_fn is not None


def test_parameters_of_whole_numbers_have_no_gradient() -> None:
    model = nn.Linear(3, 2).requires_grad_(False)
    model.levels = nn.Parameter(torch.ones(3, dtype=torch.int8), requires_grad=False)
    assert trained_parameters(model) == {}
    assert all_trained(model) is model and list(trained_parameters(model)) == ["weight", "bias"]
