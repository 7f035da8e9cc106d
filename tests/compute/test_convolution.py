"""Convolutions on maps of few pixels: the same function and gradients as torch's own, and out of the way elsewhere."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from aru.compute.device import make_compute
from aru.compute.kernels import convolution, pixel_pairs
from aru.compute.kernels.convolution import FewPixelConv2d, use_fast_convolutions
from aru.core.config import RuntimeConfig
from aru.nets.models import build

# (input channels, outputs, kernel, stride, padding, height, width): one output pixel, a few, many, more rows than columns,
# a kernel that hangs over on one side only, no padding, and two that are left to torch.
CASES = [
    (128, 16, 3, 1, 1, 1, 1),
    (128, 16, 3, 2, 1, 2, 2),
    (128, 16, 3, 2, 1, 1, 2),
    (128, 8, 1, 2, 0, 2, 2),
    (128, 8, 3, 1, 0, 3, 3),
    (128, 8, 5, 1, 1, 3, 3),
    (128, 8, 3, 1, 1, 2, 2),
    (160, 8, 3, 2, 1, 7, 5),
    (128, 8, 5, 1, 2, 4, 4),
    (128, 8, 1, 1, 0, 3, 2),
    (128, 8, 3, 2, 1, 3, 3),
    (128, 8, 3, 2, 1, 4, 3),
    (128, 8, 5, 3, 2, 4, 4),
    (128, 8, 3, 1, 1, 5, 5),
    (64, 8, 3, 1, 1, 1, 1),
]


def pair(channels, outputs, kernel, stride, padding, *, bias=True):
    torch.manual_seed(0)
    theirs = nn.Conv2d(channels, outputs, kernel, stride, padding, bias=bias)
    ours = use_fast_convolutions(copy.deepcopy(theirs))
    assert type(ours) is FewPixelConv2d
    return theirs, ours


def answer(layer, images):
    images = images.clone().requires_grad_(True)
    result = layer(images)
    result.mul(torch.arange(result.numel()).reshape(result.shape).sin()).sum().backward()
    return [result.detach(), images.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("channels,outputs,kernel,stride,padding,height,width", CASES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
def test_same_result_and_gradients(channels, outputs, kernel, stride, padding, height, width, layout, bias):
    theirs, ours = (layer.to(memory_format=layout) for layer in pair(channels, outputs, kernel, stride, padding, bias=bias))
    images = torch.rand(4, channels, height, width).to(memory_format=layout)
    for expected, found in zip(answer(theirs, images), answer(ours, images), strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_weights_over_the_padding_get_a_gradient_of_zero():
    _, ours = pair(128, 8, 3, 1, 1)
    ours(torch.rand(2, 128, 1, 1)).sum().backward()
    gradient = ours.weight.grad.clone()
    assert gradient[:, :, 1, 1].abs().min() > 0
    gradient[:, :, 1, 1] = 0
    assert not gradient.any()


def test_frozen_parts_get_no_gradient():
    _, ours = pair(128, 8, 3, 1, 1)
    ours.weight.requires_grad_(False)
    images = torch.rand(2, 128, 2, 2, requires_grad=True)
    ours(images).sum().backward()
    assert images.grad.abs().sum() > 0 and ours.weight.grad is None


def test_in_other_precisions_it_is_torchs_own(monkeypatch):
    monkeypatch.setattr(convolution, "_bfloat16_products_are_fast", lambda: True)
    theirs, ours = pair(128, 128, 3, 1, 1)
    images = torch.rand(32, 128, 2, 2)
    with torch.autocast("cpu", dtype=torch.float16):
        assert torch.equal(ours(images), theirs(images))
    for dtype in (torch.float64, torch.bfloat16):
        assert torch.equal(ours.to(dtype)(images.to(dtype)), theirs.to(dtype)(images.to(dtype)))


# (batch, input channels, outputs, kernel, stride, padding, side) and whether pixels, taps alone, or neither are for products
BFLOAT16 = [
    ((32, 128, 128, 3, 1, 1, 2), True),
    ((31, 128, 128, 3, 1, 1, 2), False),
    ((32, 128, 128, 3, 2, 1, 4), True),
    ((32, 128, 128, 1, 1, 0, 2), False),
    ((32, 128, 128, 3, 1, 1, 4), False),
    ((32, 128, 128, 3, 1, 1, 5), None),
    ((32, 127, 128, 3, 1, 1, 2), None),
    ((32, 128, 127, 3, 1, 1, 2), None),
]


@pytest.mark.parametrize("shape,chosen", BFLOAT16)
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_under_autocast_few_pixels_are_for_products_where_these_are_fast(shape, chosen, fast, bias, monkeypatch):
    calls, convolve = [], pixel_pairs.convolve
    monkeypatch.setattr(convolution, "_bfloat16_products_are_fast", lambda: fast)
    monkeypatch.setattr(
        pixel_pairs, "convolve", lambda *args, by_pixels: calls.append(by_pixels) or convolve(*args, by_pixels=by_pixels)
    )
    batch, channels, outputs, kernel, stride, padding, side = shape
    theirs, ours = pair(channels, outputs, kernel, stride, padding, bias=bias)
    images = torch.rand(batch, channels, side, side)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = answer(ours, images), answer(theirs, images)
    assert calls == ([chosen] if fast and chosen is not None else [])
    for mine, other in zip(found, expected, strict=True):
        assert mine.dtype == other.dtype and mine.shape == other.shape
        assert torch.equal(mine, other) or (calls and (mine - other).norm() <= 0.01 * other.norm())


@pytest.mark.parametrize("avx512_bf16,amx_tile", [(True, False), (True, True), (False, False)])
def test_products_in_bfloat16_are_for_avx512_without_amx(avx512_bf16, amx_tile, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx_tile, raising=False)
    assert convolution._bfloat16_products_are_fast() == (avx512_bf16 and not amx_tile)


def test_a_network_in_bfloat16_learns_as_with_torchs_kernels(monkeypatch):
    monkeypatch.setattr(convolution, "_bfloat16_products_are_fast", lambda: True)
    torch.manual_seed(0)
    images, targets = torch.rand(32, 3, 32, 32), torch.arange(32) % 8

    def losses(kernels):
        compute = make_compute(RuntimeConfig(kernels=kernels, precision="bf16", device="cpu"))
        model, found = compute.placed_copy(build("resnet18", 8, resolution=32, seed=1)).train(), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
        for _ in range(4):
            with compute.autocast():
                loss = nn.functional.cross_entropy(model(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    ours = losses("fast")
    assert ours == losses("fast"), "the same bytes at each run"
    assert ours[-1] < ours[0] / 2
    assert ours == pytest.approx(losses("torch"), abs=0.02)


@pytest.mark.parametrize("changed", [{"groups": 2}, {"dilation": 2}, {"padding_mode": "reflect"}, {"padding": "same"}])
def test_other_kinds_of_convolution_are_left_alone(changed):
    assert type(use_fast_convolutions(nn.Conv2d(128, 8, 3, **changed))) is nn.Conv2d


def test_a_network_trains_alike_and_keeps_names_and_class():
    theirs = build("resnet18", 8, resolution=32, seed=1)
    ours = use_fast_convolutions(copy.deepcopy(theirs))
    assert fast(ours) and not fast(theirs)
    assert type(ours) is type(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    images, targets = torch.rand(8, 3, 32, 32), torch.arange(8)
    for model in (ours, theirs):
        nn.functional.cross_entropy(model(images), targets).backward()
    for (name, mine), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        scale = other.grad.abs().max()
        assert (mine.grad - other.grad).abs().max() <= 1e-3 * scale, name


def fast(model: nn.Module) -> bool:
    """Whether any module of a model has this project's kernels."""
    return any(isinstance(module, FewPixelConv2d) for module in model.modules())


@pytest.mark.parametrize("kernels", ["fast", "torch"])
def test_the_parameters_decide_whose_kernels_a_computation_has(kernels):
    compute, model = make_compute(RuntimeConfig(kernels=kernels, precision="fp32", device="cpu")), build("resnet18", 8)
    assert fast(compute.placed_copy(model)) == (kernels == "fast") and not fast(model)
    assert fast(compute.place(model)) == (kernels == "fast")


def test_models_from_build_can_be_differentiated_by_vmap_of_grad():
    model, images, targets = build("resnet18", 8, resolution=32).eval(), torch.rand(2, 3, 32, 32), torch.tensor([1, 5])
    weights = {name: weight.detach() for name, weight in model.named_parameters()}

    def loss(weights, image, target):
        logits = functional_call(model, weights, (image[None],))
        return nn.functional.cross_entropy(logits, target[None])

    each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, images, targets)["layer4.0.conv1.weight"]
    model.zero_grad()
    nn.functional.cross_entropy(model(images[1:]), targets[1:]).backward()
    torch.testing.assert_close(each[1], model.layer4[0].conv1.weight.grad, rtol=1e-3, atol=1e-5)
