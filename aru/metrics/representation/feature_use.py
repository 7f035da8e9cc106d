"""How evenly a model's layers use coarse and fine features: spectra of their activation maps.

The paper claims that a reset model draws more evenly on low- and high-level features, and shows maps (arXiv 2401.08998,
its analysis of feature maps). Here the claim becomes a number that can be wrong: `evenness`, the entropy of the shares
of power that a layer's maps have in four bands of spatial frequency, over the greatest entropy possible; then the mean
over the layers. 1: all bands have the same power; 0: one band has all of it. Power is energy by frequency, the mean over
a band's Fourier coefficients: a band that is four times as wide does not count four times. The claim holds where the
unlearned model's evenness exceeds the original's, by an interval that leaves out 0, and the retrained model's too:
otherwise the effect is that of training without the forget set. Evenness is no merit in itself, noise is perfectly
even: on what the answers rest is measured in `filtering`, and both are read together.
"""

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import TypedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.seeds import draw_seed
from aru.data.images import ImageSet
from aru.metrics.representation.activations import activations
from aru.metrics.representation.filtering import frequencies
from aru.stats.intervals import draw_counts, interval
from aru.stats.shares import RESAMPLES

EDGES = (1 / 8, 1 / 4, 3 / 8)
"""Upper ends of all bands but the last, in cycles a pixel of the layer's own maps; the last has the corners, up to 0.71."""
BANDS = len(EDGES) + 1
ROUNDING = 1e-12
"""Share of an image's energy, its mean's among it, below which a coefficient is an error of float32."""


class LayerUse(TypedDict):
    """Share of a layer's power by band, None for a band that its maps do not hold, and how even they are."""

    shares: list[float | None]
    evenness: float | None


class EvennessGap(TypedDict):
    """Evenness of one model minus that of another, and its interval over people."""

    gap: float | None
    gap_interval: list[float] | None


class ModelUse(TypedDict):
    """One model: its layers, its evenness with the interval over people, and its gaps to the other models."""

    layers: dict[str, LayerUse]
    evenness: float | None
    interval: list[float] | None
    gaps: dict[str, EvennessGap]


class FeatureUse(TypedDict):
    """Upper ends of the bands in cycles a pixel (None: no end), and every model's use of them."""

    bands: list[float | None]
    models: dict[str, ModelUse]


def feature_use(
    models: Mapping[str, nn.Module],
    data: ImageSet,
    *,
    compute: Compute,
    seed: int,
    subjects: np.ndarray | None = None,
    layers: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
) -> FeatureUse:
    """Spectra of every model's layers on `data`, and their evenness; the models are left as they were.

    Result: `bands`, upper ends in cycles a pixel (None: no end); `models`, model -> `layers`, layer -> `shares` of the
    power by band (None for a band that maps of this size do not hold) and `evenness`; `evenness` of the model with its
    `interval` over people; `gaps`, other model -> `gap` (this minus the other) and `gap_interval`. Layers without maps
    are left out; `layers` as in `activations`. Evenness is None where all maps are constant; such a layer does not count
    in the model's mean.

    Shape: subjects (M,), the person of every image, or None.
    """
    rng = np.random.default_rng(draw_seed(seed, "feature_use"))
    counts = draw_counts(len(data), subjects, resamples=resamples, rng=rng)
    found = {name: _powers(model, data, compute=compute, layers=layers) for name, model in models.items()}
    once = np.ones((1, len(data)))
    value = {name: float(_mean_evenness(powers, once)[0]) for name, powers in found.items()}
    drawn = {name: _mean_evenness(powers, counts) for name, powers in found.items()}
    return {
        "bands": [*EDGES, None],
        "models": {
            name: {
                "layers": {layer: _figures(power) for layer, power in powers.items()},
                "evenness": _or_none(value[name]),
                "interval": interval(drawn[name]),
                "gaps": {
                    other: {"gap": _or_none(value[name] - value[other]), "gap_interval": interval(drawn[name] - drawn[other])}
                    for other in models
                    if other != name
                },
            }
            for name, powers in found.items()
        },
    }


def band_powers(output: torch.Tensor) -> torch.Tensor:
    """Mean power of each image's maps over the frequencies of each band, all channels together, without their means.

    Shape: (B, C, H, W), or tokens (B, T, C) of a square grid, a class token before it or not; result (B, BANDS)
    float64, NaN for a band in which maps of this size have no frequency, and for outputs that are no maps.
    """
    maps = _maps(output)
    if maps is None:
        return torch.full((len(output), BANDS), torch.nan, dtype=torch.float64)
    if not torch.isfinite(maps).all():
        raise InputError("activations are not finite: the model has diverged")
    radius = frequencies(*maps.shape[2:]).to(maps.device)
    band = torch.bucketize(radius, torch.tensor(EDGES, device=maps.device))  # an upper end belongs to its band
    member = functional.one_hot(band, BANDS).float() * (radius > 0)[..., None]
    power = torch.fft.fft2(maps, norm="ortho").abs().square().sum(dim=1).flatten(1).double()
    power = power * (power > ROUNDING * power.sum(dim=1, keepdim=True))  # a constant map has no spectrum
    member = member.flatten(0, 1).double()
    return power @ member / member.sum(dim=0)  # 0 / 0 is NaN: no frequency


def evenness(powers: np.ndarray) -> np.ndarray:
    """Entropy of the shares of the bands that are there, over the logarithm of their number; NaN without power.

    Shape: (R, BANDS), not negative, the same bands NaN in each row; result (R,) in [0, 1].
    """
    there = powers[:, ~np.isnan(powers[0])]
    total = there.sum(axis=1, keepdims=True)
    share = np.divide(there, total, out=np.full_like(there, np.nan), where=total > 0)
    surprise = -share * np.log(share, out=np.zeros_like(share), where=~(share <= 0))
    return surprise.sum(axis=1) / np.log(there.shape[1])


def _powers(model: nn.Module, data: ImageSet, *, compute: Compute, layers: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Powers (M, BANDS) of the layers whose maps hold two bands at least: one band alone is even with itself."""
    kept = activations(model, data, compute=compute, layers=layers, reduce=band_powers)
    result = {name: power.numpy() for name, power in kept.items() if (~torch.isnan(power[0])).sum() >= 2}
    if not result:
        raise InputError(f"none of the layers {', '.join(kept)} answers with maps of several pixels: name layers that do")
    return result


def _mean_evenness(powers: Mapping[str, np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Mean over the layers that have power, under each row of counts. Shape: counts (R, M); result (R,)."""
    each = np.stack([evenness(counts @ power) for power in powers.values()])
    there = ~np.isnan(each)
    total = np.where(there, each, 0.0).sum(axis=0)
    return np.divide(total, there.sum(axis=0), out=np.full_like(total, np.nan), where=there.any(axis=0))


def _figures(power: np.ndarray) -> LayerUse:
    total = power.sum(axis=0)
    whole = np.nansum(total)
    return {
        "shares": [_or_none(band / whole) if whole > 0 else None for band in total],
        "evenness": _or_none(evenness(total[None])[0]),
    }


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _maps(output: torch.Tensor) -> torch.Tensor | None:
    """(B, C, H, W) float32, or None where the output is no map."""
    if output.dim() == 4:
        return output.float()
    if output.dim() != 3:
        return None
    for tokens in (output[:, 1:], output):  # a class token stands first, where there is one
        side = isqrt(tokens.shape[1])
        if side and side * side == tokens.shape[1]:
            return tokens.float().transpose(1, 2).unflatten(2, (side, side))
    return None
