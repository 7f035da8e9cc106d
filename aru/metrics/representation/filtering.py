"""On which spatial frequencies the answers rest: accuracy on low- and high-passed images and under simple corruptions.

Frequencies are in cycles a pixel: 0.5 is the finest that a row of pixels can hold, 0.7 the finest diagonal. Filters are
ideal discs in the Fourier plane (as in Yin et al. 2019, arXiv 1906.08988), so images are taken to wrap around.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypedDict

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.reading import to_read
from aru.core.seeds import generator
from aru.data.images import ImageSet
from aru.metrics.utility import utility_columns
from aru.stats.intervals import Share
from aru.stats.shares import RESAMPLES, shares
from aru.train.loop import predict_placed

RADII = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
NOISES = (0.05, 0.1)  # standard deviation, of pixels in [0, 1]
BLURS = (1, 2)  # standard deviation, pixels
CONTRASTS = (0.5, 0.25)  # what is left of the distance to the mean
Alter = Callable[[torch.Tensor], torch.Tensor]
Accuracy = dict[str, Share]
"""Of every model, on the same images."""


class FilterSensitivity(TypedDict):
    """Accuracy on images as they are, on filtered ones by radius (cycles a pixel), and on corrupted ones by name."""

    radii: list[float]
    clean: Accuracy
    low_pass: list[Accuracy]
    high_pass: list[Accuracy]
    corruptions: dict[str, Accuracy]


def filter_sensitivity(
    models: Mapping[str, nn.Module],
    data: ImageSet,
    *,
    compute: Compute,
    seed: int,
    subjects: np.ndarray | None = None,
    radii: Sequence[float] = RADII,
    resamples: int = RESAMPLES,
) -> FilterSensitivity:
    """Accuracy of every model on `data` as it is and altered; all models see the same pixels and are left as they were.

    Result: `radii` (cycles a pixel); `clean`; `low_pass` and `high_pass`, a list over the radii; `corruptions`, name ->
    ...: each model -> share right with interval over people and gap (`aru.stats.shares`).

    Shape: subjects (M,), the person of every image, or None.
    """

    placed = {name: to_read(model, compute) for name, model in models.items()}

    def accuracy(make: Callable[[], Alter]) -> Accuracy:
        right = {}
        for name, model in placed.items():
            logits = predict_placed(_Altered(model, make()).eval(), data, compute=compute)
            right[name] = utility_columns(logits, data.targets).means["accuracy"]
        return shares(right, subjects, seed=seed, resamples=resamples)

    return {
        "radii": list(radii),
        "clean": accuracy(nn.Identity),
        "low_pass": [accuracy(partial(partial, low_pass, radius=radius)) for radius in radii],
        "high_pass": [accuracy(partial(partial, high_pass, radius=radius)) for radius in radii],
        "corruptions": {name: accuracy(make) for name, make in corruptions(seed).items()},
    }


def corruptions(seed: int) -> dict[str, Callable[[], Alter]]:
    """Name -> a maker of the corruption; each that it makes begins with the same random numbers."""

    def noise(deviation: float) -> Alter:
        return partial(gaussian_noise, deviation=deviation, generator=generator(seed, f"filtering/noise {deviation}"))

    return {
        **{f"noise {deviation}": partial(noise, deviation) for deviation in NOISES},
        **{f"blur {width}": partial(partial, blur, width=width) for width in BLURS},
        **{f"contrast {factor}": partial(partial, contrast, factor=factor) for factor in CONTRASTS},
    }


def low_pass(images: torch.Tensor, radius: float) -> torch.Tensor:
    """What frequencies of `radius` or less make of the images; the mean is kept, values may leave [0, 1].

    Shape: (B, C, H, W).
    """
    return _filtered(images, (frequencies(*images.shape[2:]) <= radius).float())


def high_pass(images: torch.Tensor, radius: float) -> torch.Tensor:
    """What frequencies above `radius` make of the images, around each channel's mean, which is kept. Shape: (B, C, H, W)."""
    distance = frequencies(*images.shape[2:])
    return _filtered(images, ((distance > radius) | (distance == 0)).float())


def blur(images: torch.Tensor, width: float) -> torch.Tensor:
    """Convolution with a Gaussian of standard deviation `width` pixels, by its transfer function. Shape: (B, C, H, W)."""
    return _filtered(images, torch.exp(-2 * (torch.pi * width * frequencies(*images.shape[2:])) ** 2))


def contrast(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Every image shrunk towards its mean. Shape: (B, C, H, W)."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + factor * (images - mean)


def gaussian_noise(images: torch.Tensor, deviation: float, *, generator: torch.Generator) -> torch.Tensor:
    """Independent noise on every pixel, cut to [0, 1]. Shape: (B, C, H, W); the generator is on the CPU."""
    noise = torch.randn(images.shape, generator=generator)  # in one order whatever the images' memory format is
    return (images + deviation * noise.to(images.device)).clamp(0, 1)


def frequencies(height: int, width: int) -> torch.Tensor:
    """Distance of every Fourier coefficient from the mean, in cycles a pixel. Shape: (H, W), in `torch.fft.fft2`'s order."""
    return torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None, :])


def _filtered(images: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    return torch.fft.ifft2(torch.fft.fft2(images.float()) * gain.to(images.device)).real


class _Altered(nn.Module):
    """A model that sees altered images."""

    def __init__(self, model: nn.Module, alter: Alter) -> None:
        super().__init__()
        self.model, self.alter = model, alter

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(self.alter(images))
