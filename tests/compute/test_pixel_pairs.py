"""Products of pixels and taps in bfloat16: the convolution and its gradients, rounded as oneDNN rounds them."""

import pytest
import torch
from torch.nn import functional

from aru.compute.kernels import pixel_pairs
from aru.compute.kernels.pixel_pairs import Geometry

# (kernel, stride, padding, inputs): one pixel, all pairs, strides, a kernel that is not square, inputs that no output sees, no
# padding, and more pixels than one would choose.
CASES = [
    ((3, 3), (1, 1), (1, 1), (1, 1)),
    ((3, 3), (1, 1), (1, 1), (2, 2)),
    ((3, 3), (2, 2), (1, 1), (4, 4)),
    ((3, 3), (2, 1), (1, 0), (3, 4)),
    ((1, 1), (2, 2), (0, 0), (4, 3)),
    ((5, 2), (1, 3), (2, 1), (2, 5)),
    ((3, 3), (1, 1), (1, 1), (5, 4)),
]


def tensors(case, *, batch=9, channels=48, outputs=40):
    """Images that bfloat16 holds exactly, a weight that it rounds, a gradient of the result, and the geometry."""
    kernel, stride, padding, inputs = case
    torch.manual_seed(0)
    images = torch.randn(batch, channels, *inputs).relu().bfloat16()
    weight = torch.randn(outputs, channels, *kernel)
    sides = functional.conv2d(images.float(), weight, None, stride, padding).shape[2:]
    gradient = torch.randn(batch, outputs, *sides).bfloat16()
    return images, weight, gradient, Geometry(inputs, tuple(sides), kernel, stride, padding)


def answer(function, images, weight, gradient):
    images, weight = images.clone().requires_grad_(True), weight.clone().requires_grad_(True)
    result = function(images, weight)
    result.backward(gradient)
    return result.detach(), images.grad, weight.grad


def errors(found, exact):
    return [float((mine.double() - right).norm() / right.norm()) for mine, right in zip(found, exact, strict=True)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("by_pixels", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_with_the_rounding_of_onednn(case, by_pixels, layout):
    images, weight, gradient, geometry = tensors(case)
    images, weight = images.to(memory_format=layout), weight.to(memory_format=layout)
    found = answer(lambda i, w: pixel_pairs.convolve(i, w, geometry, by_pixels=by_pixels), images, weight, gradient)
    again = answer(lambda i, w: pixel_pairs.convolve(i, w, geometry, by_pixels=by_pixels), images, weight, gradient)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))
    assert [tensor.dtype for tensor in found] == [torch.bfloat16, torch.bfloat16, torch.float32]

    def plain(images, weight):
        return functional.conv2d(images, weight, None, geometry.stride, geometry.padding)

    exact = answer(plain, images.double(), weight.double(), gradient.double())
    torchs = answer(lambda i, w: plain(i, w.bfloat16()), images, weight, gradient)
    assert [tensor.shape for tensor in found] == [tensor.shape for tensor in exact]
    for ours, theirs in zip(errors(found, exact), errors(torchs, exact), strict=True):
        assert 0 < ours <= 1.25 * theirs <= 0.01


def test_inputs_that_no_output_sees_and_taps_over_the_padding_get_a_gradient_of_zero():
    images, weight, gradient, geometry = tensors(CASES[4])
    _, of_images, _ = answer(lambda i, w: pixel_pairs.convolve(i, w, geometry, by_pixels=True), images, weight, gradient)
    assert of_images[:, :, ::2, ::2].all() and not of_images[:, :, 1::2].any() and not of_images[:, :, :, 1::2].any()
    images, weight, gradient, geometry = tensors(CASES[0])
    _, _, of_weight = answer(lambda i, w: pixel_pairs.convolve(i, w, geometry, by_pixels=True), images, weight, gradient)
    assert of_weight[:, :, 1, 1].any()
    of_weight[:, :, 1, 1] = 0
    assert not of_weight.any()


@pytest.mark.parametrize("by_pixels", [True, False])
def test_what_is_frozen_gets_no_gradient_and_there_is_no_second_derivative(by_pixels):
    images, weight, gradient, geometry = tensors(CASES[1])
    images.requires_grad_(True)
    pixel_pairs.convolve(images, weight, geometry, by_pixels=by_pixels).backward(gradient)
    assert images.grad.any() and weight.grad is None
    weight.requires_grad_(True)
    pixel_pairs.convolve(images.detach(), weight, geometry, by_pixels=by_pixels).backward(gradient)
    assert weight.grad.any()
    result = pixel_pairs.convolve(images, weight, geometry, by_pixels=by_pixels)
    (slope,) = torch.autograd.grad(result.sum(), images, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable|does not require grad"):
        slope.sum().backward()


@pytest.mark.parametrize("by_pixels", [True, False])
def test_a_batch_without_images_has_a_gradient_of_zero(by_pixels):
    images, weight, gradient, geometry = tensors(CASES[1], batch=1)
    result, of_images, of_weight = answer(
        lambda i, w: pixel_pairs.convolve(i, w, geometry, by_pixels=by_pixels), images[:0], weight, gradient[:0]
    )
    assert len(result) == len(of_images) == 0 and not of_weight.any()
