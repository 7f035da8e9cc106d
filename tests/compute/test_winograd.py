"""Winograd's filtering: the function and gradients of a 3 x 3 convolution, in fewer products."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from aru.compute.kernels import winograd
from aru.compute.kernels.convolution import use_fast_convolutions


def gradients(function, images, weight):
    """The result and both gradients, as doubles."""
    images, weight = images.clone().requires_grad_(True), weight.clone().requires_grad_(True)
    result = function(images, weight)
    result.mul(torch.arange(result.numel()).reshape(result.shape).sin()).sum().backward()
    return [tensor.detach().double() for tensor in (result, images.grad, weight.grad)]


# One tile and several, sides that tiles fill and that they overhang, sides of different algorithms.
@pytest.mark.parametrize(
    "height,width", [(2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8), (12, 12), (16, 16), (2, 3), (9, 4), (5, 16)]
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_and_its_gradients(height, width, layout):
    torch.manual_seed(0)
    images = torch.randn(37, 5, height, width).to(memory_format=layout)  # 37: parts of unequal size
    weight = torch.randn(6, 5, 3, 3).to(memory_format=layout)
    exact = gradients(lambda i, w: functional.conv2d(i, w, padding=1), images.double(), weight.double())
    for found, expected in zip(gradients(winograd.convolve, images, weight), exact, strict=True):
        assert found.shape == expected.shape
        assert (found - expected).abs().max() <= 3e-5 * expected.abs().max()


def test_what_is_frozen_gets_no_gradient():
    images, weight = torch.randn(4, 3, 4, 4, requires_grad=True), torch.randn(2, 3, 3, 3)
    winograd.convolve(images, weight).sum().backward()
    torch.testing.assert_close(
        images.grad, functional.conv_transpose2d(torch.ones(4, 2, 4, 4), weight, padding=1), rtol=1e-4, atol=1e-4
    )
    images, weight = images.detach(), weight.requires_grad_(True)
    winograd.convolve(images, weight).sum().backward()
    assert images.grad is None and weight.grad.abs().sum() > 0


def test_it_profits_where_two_products_a_pixel_are_enough():
    assert [side for side in range(17) if winograd.profits(side)] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]


@pytest.mark.parametrize(
    "batch,channels,side,chosen",
    [(32, 64, 4, True), (8, 64, 8, True), (31, 64, 4, False), (32, 63, 4, False), (128, 64, 1, False), (4, 64, 17, False)],
)
def test_layers_choose_it_where_it_is_faster(batch, channels, side, chosen):
    layer = use_fast_convolutions(nn.Conv2d(channels, channels, 3, padding=1, bias=False))
    images = torch.rand(batch, channels, side, side)
    with torch.no_grad():
        expected = winograd.convolve(images, layer.weight) if chosen else functional.conv2d(images, layer.weight, padding=1)
        assert torch.equal(layer(images), expected)


@pytest.mark.parametrize("changed", [{"stride": 2}, {"padding": 0}, {"kernel_size": 5, "padding": 2}])
def test_other_shapes_of_convolution_do_not_choose_it(changed, monkeypatch):
    monkeypatch.setattr(winograd, "convolve", lambda *_: pytest.fail("not a 3 x 3 convolution of stride and padding 1"))
    layer = use_fast_convolutions(
        nn.Conv2d(**{"in_channels": 64, "out_channels": 64, "kernel_size": 3, "padding": 1} | changed)
    )
    assert layer(torch.rand(64, 64, 8, 8)).isfinite().all()


@pytest.mark.parametrize("side", [2, 3, 8])  # both tables of padded rows, and a transform that is computed
def test_its_matrices_are_float32_whatever_the_default_is_when_they_are_first_needed(side, float64_default):
    winograd._line.cache_clear()
    images, weight = (torch.randn(shape, dtype=torch.float32) for shape in ((5, 4, side, side), (6, 4, 3, 3)))
    results = gradients(winograd.convolve, images, weight)
    torch.set_default_dtype(torch.float32)
    for found, again in zip(results, gradients(winograd.convolve, images, weight), strict=True):
        assert torch.allclose(found, again, atol=1e-5)
    exact = functional.conv2d(images.double(), weight.double(), padding=1)
    assert (results[0] - exact).abs().max() <= 3e-5 * exact.abs().max()
