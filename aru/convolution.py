"""Convolutions on maps of few pixels, computed as matrix products where that is faster on the CPU.

oneDNN spreads the weight gradient of a convolution over output pixels. Where there are few of them and many channels (the
deep layers of a ResNet at 32 to 64 px) it takes several times as long as one product of the patches with the gradient.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

_CHANNELS = 128  # measured for float32 with AVX2: below either bound oneDNN is as fast
_PIXELS = 16


def speed_up(model: nn.Module) -> nn.Module:
    """Let the model's plain 2-D convolutions choose the faster way; weights, names and the model's class stay."""
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
        if not self._profits(images):
            return super().forward(images)
        if self._pixels(images) == 1:
            result = self._single(images)
        else:
            result = _ByProduct.apply(images, self.weight, self.stride, self.padding)
        return result if self.bias is None else result + self.bias[:, None, None]

    def _profits(self, images: torch.Tensor) -> bool:
        return (images.device.type == "cpu" and images.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
                and not torch.compiler.is_compiling() and images.dim() == 4 and self.in_channels >= _CHANNELS
                and 1 <= self._pixels(images) <= _PIXELS)

    def _pixels(self, images: torch.Tensor) -> int:
        height, width = ((size + 2 * pad - kernel) // step + 1 for size, pad, kernel, step
                         in zip(images.shape[2:], self.padding, self.kernel_size, self.stride, strict=True))
        return height * width

    def _single(self, images: torch.Tensor) -> torch.Tensor:
        """A map of one pixel: a linear layer of the pixels under the kernel; its weights over the padding have no part."""
        (height, width), (top, left) = images.shape[2:], self.padding
        weight = self.weight[:, :, top:top + height, left:left + width]
        seen = images[:, :, : weight.shape[2], : weight.shape[3]]
        return functional.linear(seen.flatten(1), weight.flatten(1))[:, :, None, None]


class _ByProduct(torch.autograd.Function):
    """A convolution whose weight gradient is one product of patches (M, k k C) with output gradients (M, O)."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int],
                padding: tuple[int, int]) -> torch.Tensor:
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
                gradient, images, weight, [0], ctx.stride, ctx.padding, [1, 1], False, [0, 0], 1, [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(images, gradient, weight.shape, ctx.stride, ctx.padding)
        return of_images, of_weight, None, None


def _weight_gradient(images: torch.Tensor, gradient: torch.Tensor, shape: torch.Size, stride: tuple[int, int],
                     padding: tuple[int, int]) -> torch.Tensor:
    outputs, channels, height, width = shape
    padded = functional.pad(images, (padding[1], padding[1], padding[0], padding[0])).permute(0, 2, 3, 1)
    patches = padded.unfold(1, height, stride[0]).unfold(2, width, stride[1])  # (B, H', W', C, k, k)
    patches = patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * channels)
    product = gradient.permute(0, 2, 3, 1).reshape(-1, outputs).t() @ patches
    return product.view(outputs, height, width, channels).permute(0, 3, 1, 2)


def _plain(module: nn.Conv2d) -> bool:
    return (module.groups == 1 and module.dilation == (1, 1) and module.padding_mode == "zeros"
            and not isinstance(module.padding, str))
