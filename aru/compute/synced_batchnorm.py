"""BatchNorm over the images of all processes of a data-parallel training.

PyTorch's SyncBatchNorm needs a GPU; on a CPU the modules here compute the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from aru.core.errors import InputError


@contextmanager
def synced_batchnorms(model: nn.Module, device: torch.device) -> Iterator[None]:
    """In the block the BatchNorm modules of a model on `device` use the statistics of all processes' images while training.

    Weights, names and modes stay. Raises InputError for a BatchNorm of a kind whose computation is not known here.
    """
    changed: list[tuple[nn.Module, type[nn.Module]]] = []
    try:
        for name, module in model.named_modules():
            kind = type(module)
            if kind in _SYNCED:
                changed.append((module, kind))
                module.__class__ = nn.SyncBatchNorm if device.type == "cuda" else _SYNCED[kind]
                module.process_group = None  # SyncBatchNorm's: all processes
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                raise InputError(
                    f"module {name} is a {kind.__name__}: with runtime.processes above 1 only PyTorch's BatchNorm1d, "
                    "BatchNorm2d and BatchNorm3d can be computed over all processes; set runtime.processes to 1"
                )
        yield
    finally:
        for module, kind in changed:
            module.__class__ = kind
            del module.process_group


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes; the gradient is summed likewise, as each process's loss depends on it."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _summed(gradient)


def _summed(values: torch.Tensor) -> torch.Tensor:
    import torch.distributed

    result = values.clone(memory_format=torch.contiguous_format)
    torch.distributed.all_reduce(result)
    return result


class _SyncedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Training by the mean and the variance of all processes' images; evaluation as ever. An empty share is no image."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(inputs)
        self._check_input_dim(inputs)
        axes = [axis for axis in range(inputs.dim()) if axis != 1]
        shape = [1, -1, *[1] * (inputs.dim() - 2)]
        values = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        number = values.new_tensor([inputs.numel() // inputs.shape[1]], dtype=torch.float64)
        *sums, count = _Sum.apply(torch.cat([values.sum(axes).double(), number])).split([inputs.shape[1], 1])
        mean = sums[0] / count
        centred = values - mean.to(values.dtype).view(shape)
        variance = _Sum.apply(centred.square().sum(axes).double()) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        result = centred * torch.rsqrt(variance + self.eps).to(values.dtype).view(shape)
        if self.affine:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        return result.to(inputs.dtype)

    @torch.no_grad()
    def _track(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), momentum)


class _SyncedBatchNorm1d(_SyncedBatchNorm, nn.BatchNorm1d):
    """Of (B, C) or (B, C, L)."""


class _SyncedBatchNorm2d(_SyncedBatchNorm, nn.BatchNorm2d):
    """Of (B, C, H, W)."""


class _SyncedBatchNorm3d(_SyncedBatchNorm, nn.BatchNorm3d):
    """Of (B, C, D, H, W)."""


_SYNCED = {nn.BatchNorm1d: _SyncedBatchNorm1d, nn.BatchNorm2d: _SyncedBatchNorm2d, nn.BatchNorm3d: _SyncedBatchNorm3d}
