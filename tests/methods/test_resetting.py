"""Stage 2b: only masked units change, bit for bit."""

import pytest
import torch
from torch import nn

from aru.core.config import ResetConfig
from aru.core.errors import InputError
from aru.core.seeds import draw_seed
from aru.methods.aru.resetting import batchnorm_of, expand, replace_units, reset
from aru.nets.models import build
from aru.nets.units import unit_weights
from tests.helpers.toys import generator, same_weights, small_net


def random_mask(model, unit="filter", share=0.5):
    shapes = {"filter": 1, "kernel": 2, "weight": 4}
    return {
        name: torch.rand(weight.shape[: shapes[unit]], generator=generator()) < share
        for name, weight in unit_weights(model).items()
    }


def test_a_reset_draws_the_masked_units_from_a_fresh_model_of_the_seed():
    model = build("resnet18", 8, seed=4)
    mask = random_mask(model)
    source = build("resnet18", 8, seed=draw_seed(3, "reset"))
    expected = replace_units(model, source, mask, ResetConfig(), example=torch.zeros(1, 3, 32, 32))
    assert same_weights(reset(model, mask, ResetConfig(), seed=3, example=torch.zeros(1, 3, 32, 32)), expected)
    assert not same_weights(reset(model, mask, ResetConfig(), seed=4, example=torch.zeros(1, 3, 32, 32)), expected)


@pytest.mark.parametrize("unit", ["filter", "kernel", "weight"])
@pytest.mark.parametrize("value", ["reinitialise", "zero"])
def test_masked_weights_are_new_and_all_others_bit_equal(unit, value):
    model, fresh = small_net(0), small_net(1)
    mask = random_mask(model, unit)
    result = replace_units(model, fresh, mask, ResetConfig(value=value), example=torch.zeros(1, 3, 16, 16))
    origin = unit_weights(fresh)
    for name, weight in unit_weights(result).items():
        where = expand(mask[name], weight)
        wanted = origin[name] if value == "reinitialise" else torch.zeros_like(weight)
        assert torch.equal(weight[where], wanted[where])
        assert torch.equal(weight[~where], unit_weights(model)[name][~where])
    assert same_weights(model, small_net(0)), "the given model must not change"
    assert torch.equal(result.fc.weight, model.fc.weight)


@pytest.mark.parametrize(("value", "share"), [("reinitialise", 1.0), ("zero", 0.0)])
def test_a_strength_below_one_shrinks_and_perturbs_the_masked_weights_alone(value, share):
    model, fresh = small_net(0), small_net(1)
    mask = random_mask(model)
    result = replace_units(model, fresh, mask, ResetConfig(value=value, strength=0.3), example=torch.zeros(1, 3, 16, 16))
    old, new = unit_weights(model), unit_weights(fresh)
    for name, weight in unit_weights(result).items():
        where = expand(mask[name], weight)
        torch.testing.assert_close(weight[where], (0.7 * old[name] + 0.3 * share * new[name])[where])
        assert torch.equal(weight[~where], old[name][~where])


def test_batchnorm_channels_of_reset_filters_are_fresh_and_others_untouched():
    model, fresh = small_net(0), small_net(1)
    mask = random_mask(model)
    result = replace_units(model, fresh, mask, ResetConfig(batchnorm=True), example=torch.zeros(1, 3, 16, 16))
    for conv, norm in (("conv1", "bn1"), ("conv2", "bn2")):
        for vector in ("weight", "bias", "running_mean", "running_var"):
            ours, old, new = (getattr(getattr(net, norm), vector) for net in (result, model, fresh))
            assert torch.equal(ours, torch.where(mask[conv], new, old)), (norm, vector)
    assert torch.equal(result.conv2.bias, torch.where(mask["conv2"], fresh.conv2.bias, model.conv2.bias))
    untouched = replace_units(model, fresh, mask, ResetConfig(batchnorm=False), example=torch.zeros(1, 3, 16, 16))
    assert same_weights(untouched.bn1, model.bn1) and same_weights(untouched.bn2, model.bn2)


def test_a_partly_masked_filter_keeps_its_bias_and_batchnorm():
    model = small_net(0)
    mask = {name: torch.zeros(weight.shape, dtype=torch.bool) for name, weight in unit_weights(model).items()}
    mask["conv2"][0, 0] = True
    result = replace_units(model, small_net(1), mask, ResetConfig(), example=torch.zeros(1, 3, 16, 16))
    assert torch.equal(result.conv2.bias, model.conv2.bias) and same_weights(result.bn2, model.bn2)


@pytest.mark.parametrize("classifier", [True, False])
def test_the_classifier_has_its_own_switch(classifier):
    model, fresh = small_net(0), small_net(1)
    result = replace_units(
        model, fresh, random_mask(model), ResetConfig(classifier=classifier), example=torch.zeros(1, 3, 16, 16)
    )
    assert same_weights(result.fc, fresh.fc if classifier else model.fc)


@pytest.mark.parametrize("share, same_as", [(0.0, 0), (2.0, 1)])
def test_nothing_masked_is_the_model_and_everything_masked_is_fresh(share, same_as):
    nets = small_net(0), small_net(1)
    config = ResetConfig(classifier=bool(same_as))
    assert same_weights(
        replace_units(*nets, random_mask(nets[0], share=share), config, example=torch.zeros(1, 3, 16, 16)), nets[same_as]
    )


def test_every_resnet_convolution_has_its_batchnorm():
    model = build("resnet18", 8)
    found = batchnorm_of(model, torch.zeros(1, 3, 32, 32))
    assert len(found) == 20 and found["conv1"] == ("bn1",)
    assert found["layer2.0.downsample.0"] == ("layer2.0.downsample.1",) and found["layer3.1.conv2"] == ("layer3.1.bn2",)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.Flatten(0, -2)])
def test_a_batchnorm_behind_something_else_is_not_taken_for_the_layers_own(activation):
    model = nn.Sequential(nn.Linear(4, 4), activation, nn.BatchNorm1d(4), nn.Linear(4, 2))
    assert batchnorm_of(model, torch.rand(2, 1, 4) if isinstance(activation, nn.Flatten) else torch.rand(2, 4)) == {}


class Twice(nn.Module):
    """One convolution for two sizes of its input, each with a BatchNorm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.one, self.other = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = (self.one(self.shared(images)), self.other(self.shared(images[..., ::2, ::2])))
        return self.head(sum(part.mean(dim=(2, 3)) for part in maps))


def test_a_batchnorm_without_running_statistics_is_found_with_an_example_of_one():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, track_running_stats=False), nn.ReLU(), nn.Linear(6, 2)).eval()
    assert batchnorm_of(model, torch.rand(1, 4)) == {"0": ("1",)}


def test_a_layer_that_runs_twice_gives_up_both_its_batchnorms():
    model, example = Twice(), torch.rand(1, 3, 8, 8)
    assert batchnorm_of(model, example) == {"shared": ("one", "other")}
    source = Twice()
    with torch.no_grad():
        for norm in (source.one, source.other):
            norm.running_mean += 5
    result = replace_units(model, source, random_mask(model, share=2.0), ResetConfig(), example=example)
    assert result.one.running_mean.tolist() == result.other.running_mean.tolist() == [5] * 4


def test_vision_transformers_reset_their_attention_projections():
    model, fresh = build("vit_tiny", 8, resolution=16), build("vit_tiny", 8, resolution=16, seed=1)
    result = replace_units(model, fresh, random_mask(model, share=2.0), ResetConfig(), example=torch.zeros(1, 3, 16, 16))
    block = "encoder.layers.encoder_layer_3.self_attention.in_proj_weight"
    assert torch.equal(result.state_dict()[block], fresh.state_dict()[block])


@pytest.mark.parametrize("spoil", ["layer", "shape"])
def test_a_mask_of_another_model_is_refused(spoil):
    mask = random_mask(small_net())
    if spoil == "layer":
        del mask["conv1"]
    else:
        mask["conv1"] = mask["conv1"][:3]
    with pytest.raises(InputError, match="run the stage 'mask' again"):
        replace_units(small_net(), small_net(1), mask, ResetConfig(), example=torch.zeros(1, 3, 16, 16))
