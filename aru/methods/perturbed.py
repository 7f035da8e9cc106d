"""Inputs that a gradient moves: the images that GLI, DLFD and RURK train on."""

from collections.abc import Callable

import torch

Gain = Callable[[torch.Tensor], torch.Tensor]
"""Of images (B, C, H, W) in [0, 1], a scalar."""


def climbed(images: torch.Tensor, gain: Gain, *, steps: int, step_size: float) -> torch.Tensor:
    """The images after `steps` steps of +-`step_size` a pixel up `gain`; no weight's gradient is touched.

    The pixels, not the noise, are kept within [0, 1]: a noise that has left them still counts its way back, as in the sources.

    Shape:
        images, result: (B, C, H, W) in [0, 1].
    """
    noise = torch.zeros_like(images)
    for _ in range(steps):
        noise = noise.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(gain((images + noise).clamp(0, 1)), noise)
        noise = noise + step_size * slope.sign()
    return (images + noise.detach()).clamp(0, 1)
