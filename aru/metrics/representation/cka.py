"""Whether models see images alike: linear centred kernel alignment, layer by layer.

Source: Kornblith et al. 2019 (arXiv 1905.00414); the debiased form is that of Nguyen et al. 2021 (arXiv 2010.15327),
with the unbiased estimate of HSIC by Song et al. 2012 (JMLR 13, 1393-1434). `cka`, the figure that is reported, is the
debiased one: the plain one, given beside it as `cka_biased`, nears 1 whatever the models do where a layer has about as
many channels as there are images. What an unlearned model's likeness to the original means is read off the same figure
between the retrained model and the original.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.data.images import Sets
from aru.metrics.representation.activations import activations

LEAST_IMAGES = 4
RELATIVE_ZERO = 1e-12


def representation(
    models: Mapping[str, nn.Module],
    sets: Sets,
    *,
    compute: Compute,
    roles: Sequence[str] = ("forget", "test"),
    layers: Sequence[str] | None = None,
) -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
    """role -> "ONE/OTHER" for every pair of models -> layer -> `cka` and `cka_biased`; the models are left as they were.

    Feature maps are pooled to channel means. The models are of one architecture; `layers` as in `activations`.
    """
    result = {}
    for role in roles:
        features = {
            name: activations(model, getattr(sets, role), compute=compute, layers=layers) for name, model in models.items()
        }
        result[role] = {f"{one}/{other}": _compare(features, one, other) for one, other in combinations(models, 2)}
    return result


def linear_cka(one: torch.Tensor, other: torch.Tensor, *, debiased: bool = True) -> float | None:
    """Linear CKA of two representations of the same images; None where one of them is the same for all images.

    1 for representations that differ by rotation, isotropic scale and shift. Debiased: about 0, of either sign, for
    independent ones; plain: in [0, 1]. It takes no memory that grows with the square of the number of images.

    Shape: (M, K) and (M, L), M >= 4. Computed in float64.
    """
    first, second = _centred(one), _centred(other)
    if len(first) != len(second) or len(first) < LEAST_IMAGES:
        raise InputError(
            f"representations of {len(first)} and {len(second)} images cannot be aligned: {LEAST_IMAGES} "
            "images or more are needed, the same ones on both sides"
        )
    if _constant(first, one) or _constant(second, other):
        return None
    hsic = _unbiased_hsic if debiased else _biased_hsic
    own = hsic(first, first) * hsic(second, second)
    return float(hsic(first, second) / np.sqrt(own)) if own > 0 else None


def _compare(features: Mapping[str, Mapping[str, torch.Tensor]], one: str, other: str) -> dict[str, dict[str, float | None]]:
    for name in features[one].keys() ^ features[other].keys():
        raise InputError(f"only one of {one} and {other} has the layer {name!r}: name layers that both models have")
    return {
        name: {
            "cka": linear_cka(feature, features[other][name]),
            "cka_biased": linear_cka(feature, features[other][name], debiased=False),
        }
        for name, feature in features[one].items()
    }


def _centred(features: torch.Tensor) -> np.ndarray:
    """Both forms are unmoved by a shift of the features; without their mean less is lost to rounding."""
    if features.dim() != 2 or not torch.isfinite(features).all():
        raise InputError(f"features of the shape {tuple(features.shape)} cannot be aligned: (M, K), all finite, is needed")
    values = features.double().numpy()
    return values - values.mean(axis=0)


def _constant(centred: np.ndarray, features: torch.Tensor) -> bool:
    return float((centred**2).sum()) <= RELATIVE_ZERO * float((features.double() ** 2).sum())


def _biased_hsic(one: np.ndarray, other: np.ndarray) -> float:
    """|X^T Y|_F^2, up to a factor that CKA cancels."""
    return float(((one.T @ other) ** 2).sum())


def _unbiased_hsic(one: np.ndarray, other: np.ndarray) -> float:
    """The estimate of Song et al. 2012 for K = X X^T and L = Y Y^T without their diagonals, from X and Y alone."""
    images = len(one)
    norms, other_norms = (one**2).sum(axis=1), (other**2).sum(axis=1)
    rows, other_rows = one @ one.sum(axis=0) - norms, other @ other.sum(axis=0) - other_norms  # K 1 and L 1
    trace = ((one.T @ other) ** 2).sum() - norms @ other_norms
    whole = rows.sum() * other_rows.sum() / ((images - 1) * (images - 2))
    return float((trace + whole - 2 / (images - 2) * (rows @ other_rows)) / (images * (images - 3)))
