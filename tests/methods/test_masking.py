"""Stage 2a: gradients against a naive sum, density exact in every layer, controls that differ in one thing."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from aru.core.config import AttackConfig, MaskConfig
from aru.core.errors import InputError, TrainingError
from aru.core.seeds import generator as stream
from aru.methods.aru.attack import attack
from aru.methods.aru.masking import discrepancy, gradients, mask, normalised, reduce, select
from aru.nets.models import build
from aru.nets.units import unit_layers
from tests.helpers.toys import CPU, generator, image_set, same_weights, small_net

LAYERS = {"conv1", "conv2", "hidden"}


@pytest.fixture(scope="module")
def noise():
    return (torch.rand(10, 3, 16, 16, generator=generator()) - 0.5) / 16


def test_gradients_equal_a_naive_sum_over_single_images():
    data, model = image_set(10), small_net()
    ours = gradients(model, data, MaskConfig(batch_size=4), compute=CPU)
    images, targets = data.batch(torch.arange(10), CPU.device)
    for name, layer in unit_layers(model).items():
        weight = layer.parameter(model)
        naive = torch.zeros_like(weight)
        for image, target in zip(images, targets, strict=True):
            loss = functional.cross_entropy(model(image[None]), target[None])
            naive += torch.autograd.grad(loss, weight)[0] / 10
        torch.testing.assert_close(ours[name], naive, rtol=1e-4, atol=1e-6)


def test_measuring_in_train_mode_leaves_the_model_alone(noise):
    model, before = small_net(), small_net()
    by_mode = [discrepancy(model, image_set(10), noise, MaskConfig(batchnorm=mode), compute=CPU) for mode in ("train", "eval")]
    assert same_weights(model, before) and not model.training
    assert not torch.allclose(by_mode[0]["conv1"], by_mode[1]["conv1"])


def test_no_noise_beside_the_image_means_no_discrepancy():
    silence = torch.zeros(10, 3, 16, 16)
    scores = discrepancy(small_net(), image_set(10), silence, MaskConfig(contrast="perturbed"), compute=CPU)
    assert set(scores) == LAYERS and all(score.abs().max() == 0 for score in scores.values())


@pytest.mark.parametrize(
    "unit, shapes",
    [
        ("filter", {"conv1": (6,), "conv2": (8,), "hidden": (10,)}),
        ("kernel", {"conv1": (6, 3), "conv2": (8, 6), "hidden": (10, 8)}),
        ("weight", {"conv1": (6, 3, 3, 3), "conv2": (8, 6, 3, 3), "hidden": (10, 8)}),
    ],
)
@pytest.mark.parametrize("choice", ["largest", "smallest", "random"])
@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_density_is_exact_in_every_layer(noise, unit, shapes, choice, ratio):
    config = MaskConfig(unit=unit, select=choice, ratio=ratio)
    scores, marked = mask(small_net(), image_set(10), noise, config, seed=0, compute=CPU)
    for name, shape in shapes.items():
        assert marked[name].dtype == torch.bool and tuple(marked[name].shape) == tuple(scores[name].shape) == shape
        assert int(marked[name].sum()) == int(ratio * marked[name].numel() + 0.5)


def test_largest_and_smallest_split_the_units_at_their_scores():
    scores = {"layer": torch.tensor([3.0, 1.0, 2.0, 1.0])}
    largest = select(scores, MaskConfig(select="largest"), generator=generator())["layer"]
    smallest = select(scores, MaskConfig(select="smallest"), generator=generator())["layer"]
    assert largest.tolist() == [True, False, True, False] and smallest.tolist() == [False, True, False, True]


def test_global_scope_takes_the_share_over_all_layers():
    scores = {"small": torch.arange(4.0), "large": torch.arange(10.0, 16.0)}
    marked = select(scores, MaskConfig(scope="global"), generator=generator())
    assert not marked["small"].any() and marked["large"].sum() == 5 and not marked["large"][0]


def test_kernel_scores_average_before_the_absolute_value_and_filter_scores_after():
    difference = torch.tensor([[[[1.0, -1.0]]], [[[2.0, 2.0]]]])  # (2, 1, 1, 2)
    assert reduce(difference, "kernel").tolist() == [[0.0], [2.0]]
    assert reduce(difference, "filter").tolist() == [1.0, 2.0]
    assert reduce(difference, "weight").tolist() == difference.abs().tolist()


@pytest.mark.parametrize(
    "name, resolution, layer",
    [("vit_tiny", 16, "encoder.layers.encoder_layer_0.self_attention.in_proj"), ("resnet50", 32, "layer1.0.conv3")],
)
def test_other_architectures_can_be_masked(name, resolution, layer):
    model, data = build(name, 8, resolution=resolution), image_set(4, side=resolution)
    scores, marked = mask(model, data, torch.zeros(4, 3, resolution, resolution), MaskConfig(), compute=CPU, seed=0)
    assert layer in marked and marked[layer].sum() == (marked[layer].numel() + 1) // 2
    assert not any(name in ("fc", "heads.head") for name in marked)


def test_normalised_scores_count_in_units_of_the_retain_gradient(noise):
    model, data, retain, config = small_net(), image_set(10), image_set(30, seed=5), MaskConfig(normalise="retain")
    plain, _ = mask(model, data, noise, MaskConfig(), seed=0, compute=CPU)
    scores, _ = mask(model, data, noise, config, seed=0, compute=CPU, retain=retain)
    drawn = torch.randperm(30, generator=stream(0, "mask"))[:10].sort().values.numpy()
    of_retain = gradients(model, retain.take(drawn), config, compute=CPU)
    for name, score in scores.items():
        size = of_retain[name].abs().flatten(1).mean(dim=1)
        assert (size > 0).any()
        torch.testing.assert_close(score[size > 0], (plain[name] / size)[size > 0])


def test_a_unit_without_retain_gradient_ranks_first_and_none_is_nan():
    of_retain = {"a": torch.tensor([0.0, 0.0, 2.0]).view(3, 1, 1, 1)}
    found = normalised({"a": torch.tensor([0.0, 1.0, 1.0])}, of_retain, MaskConfig())
    assert not found["a"].isnan().any() and found["a"].argmax() == 1 and found["a"][0] == 0


def test_normalising_without_a_retain_set_is_refused(noise):
    with pytest.raises(InputError, match="no retain set"):
        mask(small_net(), image_set(10), noise, MaskConfig(normalise="retain"), seed=0, compute=CPU)


@pytest.mark.parametrize(("schedule", "wanted"), [("flat", [4, 4, 4]), ("rising", [0, 4, 8]), ("falling", [8, 4, 0])])
def test_a_schedule_gives_each_layer_its_share(schedule, wanted):
    scores = {name: torch.rand(10, generator=generator()) for name in "abc"}
    marked = select(scores, MaskConfig(ratio=0.4, schedule=schedule), generator=generator())
    assert [int(part.sum()) for part in marked.values()] == wanted


def test_a_lone_last_image_in_train_mode_joins_the_batch_before_it():
    config = MaskConfig(batchnorm="train", batch_size=8)
    model = nn.Sequential(nn.Conv2d(3, 4, 16), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 8))  # maps of one pixel
    found = gradients(model, image_set(17), config, compute=CPU)
    assert all(torch.isfinite(gradient).all() for gradient in found.values())
    with pytest.raises(InputError, match="mask.batchnorm is 'train' and one image has no statistics"):
        gradients(model, image_set(1), config, compute=CPU)


def test_scores_that_are_not_finite_make_no_mask():
    model, data = small_net(), image_set(4)
    with torch.no_grad():
        model.conv2.weight[0] = float("nan")
    with pytest.raises(TrainingError, match=r"mean loss is nan, its gradient at conv1 is not finite.*lower train\.lr"):
        mask(model, data, torch.zeros(4, 3, 16, 16), MaskConfig(), seed=0, compute=CPU)
    with pytest.raises(TrainingError, match=r"loss on the images to attack is nan.*lower train\.lr"):
        attack(model, data, AttackConfig(steps=1), seed=0, compute=CPU)
