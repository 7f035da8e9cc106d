"""A wrapped network answers as the network does, and stays as it was."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from aru.core.errors import InputError
from aru.nets.adapted import adapt, logits_of, unwrapped


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def test_inputs_are_normalised_before_the_network_sees_them():
    plain = network()
    adapted = adapt(plain, preprocessing={"mean": MEAN, "std": STD, "axis": -3})
    normalised = (IMAGES - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    assert torch.equal(adapted(IMAGES), plain(normalised))


def test_the_unit_interval_is_brought_to_the_networks_bounds():
    plain = network()
    assert torch.equal(adapt(plain, bounds=(-1.0, 1.0))(IMAGES), plain(IMAGES * 2 - 1))


def test_the_network_is_copied_and_keeps_precision_mode_and_bits():
    plain = network().half().train()
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    adapted = adapt(plain)
    with torch.no_grad():
        for parameter in adapted.parameters():
            parameter.zero_()
    assert adapted(IMAGES).dtype == torch.float32
    assert all(
        torch.equal(tensor, before[name]) and tensor.dtype == torch.float16 for name, tensor in plain.state_dict().items()
    )
    assert plain.training


def test_what_compiles_or_parallelises_is_taken_off():
    plain = network()
    assert unwrapped(torch.compile(nn.DataParallel(plain))) is plain


@pytest.mark.parametrize(
    "output", [IMAGES, SimpleNamespace(logits=IMAGES), {"logits": IMAGES, "loss": 1}, {"out": IMAGES}, (IMAGES, 1)]
)
def test_logits_are_found_in_what_networks_return(output):
    assert logits_of(output) is IMAGES


@pytest.mark.parametrize("output", [SimpleNamespace(), {}, (), 3.0])
def test_a_return_value_without_logits_is_named(output):
    with pytest.raises(InputError, match="no logits were found"):
        logits_of(output)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"preprocessing": {"means": 1}}, "'means': the keys are mean, std and axis"),
        ({"preprocessing": {"std": (1.0, 0.0, 1.0)}}, "greater than 0"),
        ({"preprocessing": {"mean": 0.5, "axis": 1}}, "axis is 1"),
        ({"preprocessing": {"mean": [[0.5]]}}, "one number a channel"),
        ({"bounds": (1.0, 0.0)}, "bounds are"),
    ],
)
def test_settings_that_cannot_be_are_named(options, said):
    with pytest.raises(InputError, match=said):
        adapt(network(), **options)


def test_a_network_without_parameters_is_refused():
    with pytest.raises(InputError, match="no parameters"):
        adapt(nn.Flatten())
