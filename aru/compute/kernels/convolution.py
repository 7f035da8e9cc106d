"""Convolutions on maps of few pixels, computed as matrix products where that is faster on the CPU.

The 3 x 3 convolutions of a ResNet take fewer multiplications by Winograd's filtering (`winograd.py`). For the others: oneDNN
distributes the weight gradient of a convolution over output pixels, and where there are few of them and many channels it takes
several times as long as one product of the patches with the gradient; and where there are a handful of output pixels, much of
a padded kernel falls on the padding, so that products pixel by pixel leave most of the work out.

In bfloat16, that is under autocast, the products of pixels and taps (`pixel_pairs.py`) take over where the processor has
AVX512-BF16; with AMX oneDNN's convolutions stay, for nothing was measured there. Winograd's filtering is for float32 alone:
by F(2, 3) in bfloat16 the transforms cost what the products save, with two to three times the rounding of oneDNN's
convolution, and larger tiles have five to fifteen times.
"""

import math
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional

from aru.compute.kernels import instructions, pixel_pairs, winograd
from aru.compute.kernels.pixel_pairs import Geometry, Pair, pairs

# Measured for float32 with AVX2: beyond any of these bounds oneDNN is as fast.
_CHANNELS = 128
_PIXELS = 16
_PAIRS_OUTPUTS, _PAIRS = 4, 25
_WINOGRAD_CHANNELS = 64
_WINOGRAD_SIDE = 16
_WINOGRAD_TILES = 32
# Measured for bfloat16 with AVX512-BF16; `_CHANNELS`, `_PIXELS` and the pairs are as above.
_BATCH = 32

Model = TypeVar("Model", bound=nn.Module)


def use_fast_convolutions(model: Model) -> Model:
    """Let the model's plain 2-D convolutions choose the faster way; weights, names and the model's class stay.

    They can be differentiated once, and not under `torch.func`.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _plain(module):
            module.__class__ = FewPixelConv2d
    return model


class FewPixelConv2d(nn.Conv2d):
    """A convolution that differs from `nn.Conv2d` in rounding and time alone."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The convolution.

        Shape:
            images: (B, C, H, W); result: (B, O, H', W').
        """
        if (
            images.device.type != "cpu"
            or images.dtype not in (torch.float32, torch.bfloat16)
            or torch.compiler.is_compiling()
            or images.dim() != 4
        ):
            return super().forward(images)
        height, width = self._size(images)
        if torch.is_autocast_enabled("cpu"):
            return self._in_bfloat16(images) if self._for_bfloat16((height, width)) else super().forward(images)
        if images.dtype != torch.float32:
            return super().forward(images)
        if self._for_winograd(images):
            result = winograd.convolve(images, self.weight)
        elif self.in_channels < _CHANNELS or not (height > 0 and width > 0 and height * width <= _PIXELS):
            return super().forward(images)
        elif few := self._few_pairs(images, (height, width)):
            result = _ByPairs.apply(images, self.weight, few, (height, width))
        else:
            result = _ByProduct.apply(images, self.weight, self.stride, self.padding)
        return result if self.bias is None else result + self.bias[:, None, None]

    def _for_bfloat16(self, size: tuple[int, int]) -> bool:
        return (
            torch.get_autocast_dtype("cpu") == torch.bfloat16
            and min(self.in_channels, self.out_channels) >= _CHANNELS
            and min(size) > 0
            and math.prod(size) <= _PIXELS
            and _bfloat16_products_are_fast()
        )

    def _in_bfloat16(self, images: torch.Tensor) -> torch.Tensor:
        geometry = self._geometry(images)
        by_pixels = len(images) >= _BATCH and bool(self._few_pairs(images, geometry.outputs))
        result = pixel_pairs.convolve(images.to(torch.bfloat16), self.weight, geometry, by_pixels=by_pixels)
        return result if self.bias is None else result + self.bias.to(torch.bfloat16)[:, None, None]

    def _for_winograd(self, images: torch.Tensor) -> bool:
        return (
            self.kernel_size == (3, 3)
            and self.stride == (1, 1)
            and self.padding == (1, 1)
            and min(self.in_channels, self.out_channels) >= _WINOGRAD_CHANNELS
            and all(side <= _WINOGRAD_SIDE and winograd.profits(side) for side in images.shape[2:])
            and winograd.tiles(images) >= _WINOGRAD_TILES
        )

    def _few_pairs(self, images: torch.Tensor, size: tuple[int, int]) -> tuple[Pair, ...]:
        """All pairs of pixels, where they are few and some of the work can be left out; none elsewhere."""
        inputs, outputs = math.prod(images.shape[2:]), math.prod(size)
        dense = self.kernel_size == (1, 1) and inputs == outputs
        if dense or inputs > _PIXELS or outputs > _PAIRS_OUTPUTS:
            return ()
        found = pairs(self._geometry(images))
        return found if len(found) <= _PAIRS else ()

    def _geometry(self, images: torch.Tensor) -> Geometry:
        height, width = images.shape[2:]
        return Geometry((height, width), self._size(images), self.kernel_size, self.stride, self._pads)

    def _size(self, images: torch.Tensor) -> tuple[int, int]:
        height, width = (
            (size + 2 * pad - kernel) // step + 1
            for size, pad, kernel, step in zip(images.shape[2:], self._pads, self.kernel_size, self.stride, strict=True)
        )
        return height, width

    @property
    def _pads(self) -> tuple[int, ...]:
        if isinstance(self.padding, str):
            raise TypeError(f"padding is {self.padding!r}: only convolutions padded by numbers are converted")
        return self.padding


class _ByPairs(torch.autograd.Function):
    """A convolution as one product (B, C) x (C, O) for every pair of an input and an output pixel."""

    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, pairs: tuple[Pair, ...], size: tuple[int, int]
    ) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.pairs = pairs
        result = images.new_zeros(len(images), *size, len(weight)).permute(0, 3, 1, 2)
        inputs, taps, outputs = _pixels(images), weight.permute(2, 3, 0, 1), _pixels(result)
        for here, there, row, column in pairs:
            outputs[here].addmm_(inputs[there], taps[row, column].T)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        inputs, taps, outputs = _pixels(images), weight.permute(2, 3, 0, 1), _pixels(gradient)
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = torch.zeros_like(images)
            of_inputs = _pixels(of_images)
            for here, there, row, column in ctx.pairs:
                of_inputs[there].addmm_(outputs[here], taps[row, column])
        if ctx.needs_input_grad[1]:
            of_weight = torch.zeros_like(weight)
            of_taps = of_weight.permute(2, 3, 0, 1)
            for here, there, row, column in ctx.pairs:
                of_taps[row, column].addmm_(outputs[here].T, inputs[there])
        return of_images, of_weight, None, None


def _pixels(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """(B, C, H, W) by pixels, row by row: views (B, C)."""
    return tuple(pixel for row in images.unbind(2) for pixel in row.unbind(2))


class _ByProduct(torch.autograd.Function):
    """A convolution whose weight gradient is one product of patches (M, k k C) with output gradients (M, O)."""

    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(images, weight, None, stride, padding)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = torch.ops.aten.convolution_backward(
                gradient, images, weight, [0], ctx.stride, ctx.padding, [1, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(images, gradient, weight.shape, ctx.stride, ctx.padding)
        return of_images, of_weight, None, None


def _weight_gradient(
    images: torch.Tensor, gradient: torch.Tensor, shape: torch.Size, stride: tuple[int, int], padding: tuple[int, int]
) -> torch.Tensor:
    outputs, channels, height, width = shape
    padded = functional.pad(images, (padding[1], padding[1], padding[0], padding[0])).permute(0, 2, 3, 1)
    patches = padded.unfold(1, height, stride[0]).unfold(2, width, stride[1])  # (B, H', W', C, k, k)
    patches = patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * channels)
    product = gradient.permute(0, 2, 3, 1).reshape(-1, outputs).t() @ patches
    return product.view(outputs, height, width, channels).permute(0, 3, 1, 2)


def _bfloat16_products_are_fast() -> bool:
    return instructions.has("avx512_bf16") and not instructions.has("amx_tile")


def _plain(module: nn.Conv2d) -> bool:
    return (
        module.groups == 1
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )
