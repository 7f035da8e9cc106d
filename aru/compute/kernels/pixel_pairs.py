"""Convolutions on a handful of pixels as products over the pairs of an input and an output pixel, in bfloat16.

Where a padded kernel lies over few pixels, much of it falls on the padding: of a 3 x 3 kernel on 2 x 2 pixels 20 of 36
products. Here one matrix product makes an output pixel from all the inputs that it sees, one the gradient of an input pixel
from all the outputs that see it, and one the gradient of a tap from all the pairs that it joins. Each is summed in float32
and rounded once, so that the rounding is that of oneDNN's convolution.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn import functional

Pair = tuple[int, int, int, int]
Products = tuple[tuple[int, torch.Tensor, torch.Tensor], ...]
"""For each product the place that it makes, and the places of its left and right factors in the sum."""


@dataclass(frozen=True)
class Geometry:
    """The sides of the maps and of the kernel in pixels, rows first; the convolution has no groups and no dilation."""

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]


@cache
def pairs(geometry: Geometry) -> tuple[Pair, ...]:
    """(output pixel, input pixel, row and column of the weight between them), pixels counted by rows."""
    found = []
    (height, width), (rows, columns) = geometry.inputs, geometry.kernel
    for y in range(geometry.outputs[0]):
        for x in range(geometry.outputs[1]):
            for v in range(height):
                for u in range(width):
                    row = v + geometry.padding[0] - y * geometry.stride[0]
                    column = u + geometry.padding[1] - x * geometry.stride[1]
                    if 0 <= row < rows and 0 <= column < columns:
                        found.append((y * geometry.outputs[1] + x, v * width + u, row, column))
    return tuple(found)


def convolve(images: torch.Tensor, weight: torch.Tensor, geometry: Geometry, *, by_pixels: bool) -> torch.Tensor:
    """The convolution in bfloat16, its weight gradient by taps; differentiable once, and not under `torch.func`.

    `by_pixels`: the result and the gradient of the images by pixels, too, instead of oneDNN's.

    Shape:
        images: (B, C, H, W), bfloat16 on the CPU; weight: (O, C, k, l), of any floating dtype, which its gradient has; result:
        (B, O, H', W'), bfloat16.
    """
    return _ByPixelsAndTaps.apply(images, weight, geometry, by_pixels)


class _ByPixelsAndTaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, weight: torch.Tensor, geometry: Geometry, by_pixels: bool) -> torch.Tensor:
        rounded = weight.to(torch.bfloat16, memory_format=torch.channels_last)
        ctx.save_for_backward(images, rounded)
        ctx.geometry, ctx.by_pixels, ctx.dtype = geometry, by_pixels, weight.dtype
        if not by_pixels:
            return functional.conv2d(images, rounded, None, geometry.stride, geometry.padding)
        taps, inputs = _taps(rounded), images.permute(0, 2, 3, 1).flatten(1, 2)
        result = images.new_zeros(len(images), *geometry.outputs, len(weight))
        by_pixel = result.flatten(1, 2)
        for pixel, seen, through in _plan(geometry).by_output:
            factor = taps.index_select(1, through).flatten(1)
            by_pixel[:, pixel] = inputs.index_select(1, seen).flatten(1) @ factor.T
        return result.permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        images, rounded = ctx.saved_tensors
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = (_of_images if ctx.by_pixels else _of_images_by_onednn)(gradient, images, rounded, ctx.geometry)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(gradient, images, rounded.shape, ctx.geometry, ctx.dtype)
        return of_images, of_weight, None, None


def _of_images(gradient: torch.Tensor, images: torch.Tensor, rounded: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    taps, outputs = _taps(rounded).transpose(0, 1), gradient.permute(0, 2, 3, 1).flatten(1, 2)
    result = images.new_zeros(len(images), *geometry.inputs, images.shape[1])
    by_pixel = result.flatten(1, 2)
    for pixel, seeing, through in _plan(geometry).by_input:
        by_pixel[:, pixel] = outputs.index_select(1, seeing).flatten(1) @ taps.index_select(0, through).flatten(0, 1)
    return result.permute(0, 3, 1, 2)


def _of_images_by_onednn(
    gradient: torch.Tensor, images: torch.Tensor, rounded: torch.Tensor, geometry: Geometry
) -> torch.Tensor:
    found: tuple[torch.Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient, images, rounded, [0], geometry.stride, geometry.padding, [1, 1], False, [0, 0], 1, [True, False, False]
    )
    return found[0]


def _of_weight(
    gradient: torch.Tensor, images: torch.Tensor, shape: torch.Size, geometry: Geometry, dtype: torch.dtype
) -> torch.Tensor:
    outputs, inputs = (tensor.permute(2, 3, 0, 1).flatten(0, 1).contiguous() for tensor in (gradient, images))
    result = torch.zeros(shape[0], *shape[2:], shape[1], dtype=dtype)
    by_tap = result.flatten(1, 2)
    for tap, to, of in _plan(geometry).by_tap:
        by_tap[:, tap] = outputs.index_select(0, to).flatten(0, 1).T @ inputs.index_select(0, of).flatten(0, 1)
    return result.permute(0, 3, 1, 2)


def _taps(weight: torch.Tensor) -> torch.Tensor:
    """(O, C, k, l) as (O, k l, C)."""
    return weight.permute(0, 2, 3, 1).flatten(1, 2)


@dataclass(frozen=True)
class _Plan:
    """By output pixel the inputs and taps, by input pixel the outputs and taps, by tap the outputs and inputs."""

    by_output: Products
    by_input: Products
    by_tap: Products


@cache
def _plan(geometry: Geometry) -> _Plan:
    joined = [(output, of, row * geometry.kernel[1] + column) for output, of, row, column in pairs(geometry)]
    return _Plan(
        _products((output, of, tap) for output, of, tap in joined),
        _products((of, output, tap) for output, of, tap in joined),
        _products((tap, output, of) for output, of, tap in joined),
    )


def _products(triples: Iterable[tuple[int, int, int]]) -> Products:
    found: dict[int, list[tuple[int, int]]] = {}
    for made, left, right in triples:
        found.setdefault(made, []).append((left, right))
    return tuple(
        (made, torch.tensor([left for left, _ in terms]), torch.tensor([right for _, right in terms]))
        for made, terms in sorted(found.items())
    )
