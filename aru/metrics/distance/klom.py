"""KLoM: for every image, how the margins of unlearned models are distributed beside those of retrained ones (oracles).

Source: Georgiev et al. 2024 (arXiv 2410.23232), "Attribute-to-Delete", section 3. The margin is the true class's
logit minus the logsumexp of the others.
"""

from collections.abc import Sequence
from typing import Literal, TypedDict

import numpy as np
import torch

from aru.core.errors import InputError
from aru.metrics.membership.signals import margin
from aru.stats.intervals import draw_counts, interval

Edge = Literal["closed", "open"]

BINS = 20
CLIP = 100.0
FLOOR = 1e-5
SPLITS = 20
LEAST_ORACLES = 4


class Summary(TypedDict):
    """Mean and percentiles over the images, in nats."""

    mean: float
    p95: float
    p99: float


class Excess(TypedDict):
    """Mean of matched minus null, in nats, and its 95 % interval over people."""

    mean: float
    interval: list[float] | None


class KlomFigures(TypedDict):
    """The result of `klom_figures`; models: how many `unlearned`, `retrained`, and in a `half`."""

    models: dict[str, int]
    bins: int
    edge: Edge
    all_models: Summary
    matched: Summary
    null: Summary
    excess: Excess


def ensemble_margins(logits: Sequence[torch.Tensor], targets: torch.Tensor) -> np.ndarray:
    """Margins of every model on every image. Shape: N times (M, C) with (M,), or (M, L) with (M, L); result (N, M)."""
    return np.stack([margin(one, targets) for one in logits])


def klom(
    unlearned: np.ndarray,
    oracle: np.ndarray,
    *,
    bins: int = BINS,
    clip: float = CLIP,
    floor: float = FLOOR,
    edge: Edge = "closed",
) -> np.ndarray:
    """KL divergence, in nats, of the unlearned margins' histogram from the oracles', image by image.

    Both share `bins` equal bins over their common range, after clipping to +-`clip`; empty bins of the oracles count
    as `floor`, so the value is at most about ln(1 / floor), 11.5 by default. It is 0 only for equal histograms: with
    finitely many models it is positive under the null, by about (bins - 1) / N for the noise of the counts, and by more
    for the bins that the oracles happen to miss. Mean over images where both sides are N equal Gaussians (simulated):

        N          100    64     32     16     8
        20 bins    0.35   0.63   1.70   3.85   6.45
        10 bins    0.15   0.26   0.67   1.92   4.34

    So a value says nothing without its null, see `klom_figures`, and below 32 models a side 10 bins are the better
    choice. edge: of the last bin. `open` leaves every image's largest margin out, as public code does (N = 32, 20 bins, under
    the null: about .05 less).
    Shape: (U, M) and (R, M), finite; result (M,).
    """
    unlearned, oracle = _checked(unlearned, oracle, bins)
    if edge not in ("closed", "open"):
        raise InputError(f"edge is {edge!r}: choose closed or open")
    unlearned, oracle = (np.clip(margins, -clip, clip) for margins in (unlearned, oracle))
    low = np.minimum(unlearned.min(axis=0), oracle.min(axis=0))
    width = np.maximum(unlearned.max(axis=0), oracle.max(axis=0)) - low
    p, q = (_histogram(margins - low, width, bins, edge) for margins in (unlearned, oracle))
    q = np.where(p > 0, np.maximum(q, floor), q)
    q = q / q.sum(axis=1, keepdims=True)
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return (p * np.log(ratio)).sum(axis=1)


def klom_figures(
    unlearned: np.ndarray,
    oracle: np.ndarray,
    *,
    groups: np.ndarray | None,
    resamples: int,
    seed: int,
    bins: int = BINS,
    edge: Edge = "closed",
    splits: int = SPLITS,
) -> KlomFigures:
    """KLoM of one set of images with its null: mean, 95th and 99th percentile over the images.

    The value depends on how many models a side has, so like is compared with like. The oracles are split at random
    into two halves of h = min(U, R // 2) models, `splits` times: `null` is KLoM(oracles', oracles''), `matched` is
    KLoM(h unlearned, oracles''), each averaged over the splits. `excess` is matched minus null, 0 on average for a
    method that retrains; its interval is over people and takes the models as they are. `all_models` is the figure of
    the literature, from all U and R models, to be compared with figures of the same U and R only.
    Shape: (U, M) and (R, M), R >= 4; groups (M,), the subject of every image.
    """
    unlearned, oracle = _checked(unlearned, oracle, bins)
    if len(oracle) < LEAST_ORACLES:
        raise InputError(f"{len(oracle)} retrained models can not be split into halves: {LEAST_ORACLES} or more are needed")
    half, rng = min(len(unlearned), len(oracle) // 2), np.random.default_rng([seed, 0])
    matched, null = [], []
    for _ in range(splits):
        one, other = rng.permutation(len(oracle))[: 2 * half].reshape(2, half)
        drawn = rng.permutation(len(unlearned))[:half]
        matched.append(klom(unlearned[drawn], oracle[other], bins=bins, edge=edge))
        null.append(klom(oracle[one], oracle[other], bins=bins, edge=edge))
    excess = np.mean(matched, axis=0) - np.mean(null, axis=0)
    counts = draw_counts(len(excess), groups, resamples=resamples, rng=np.random.default_rng([seed, 1]))
    return {
        "models": {"unlearned": len(unlearned), "retrained": len(oracle), "half": half},
        "bins": bins,
        "edge": edge,
        "all_models": _summary([klom(unlearned, oracle, bins=bins, edge=edge)]),
        "matched": _summary(matched),
        "null": _summary(null),
        "excess": {"mean": float(excess.mean()), "interval": interval(counts @ excess / counts.sum(axis=1))},
    }


def _summary(values: Sequence[np.ndarray]) -> Summary:
    """Mean, 95th and 99th percentile over the images, averaged over the splits."""
    figures = np.mean([[one.mean(), *np.quantile(one, (0.95, 0.99))] for one in values], axis=0)
    mean, p95, p99 = map(float, figures)
    return {"mean": mean, "p95": p95, "p99": p99}


def _histogram(offset: np.ndarray, width: np.ndarray, bins: int, edge: Edge) -> np.ndarray:
    """Shares of every image's margins by bin, with an open edge of those below it. Shape: (N, M), (M,); result (M, bins)."""
    models, images = offset.shape
    share = np.divide(offset, width, out=np.zeros_like(offset), where=width > 0)
    place = np.minimum((share * bins).astype(np.int64), bins - 1) + bins * np.arange(images)
    inside = (share < 1).reshape(-1) if edge == "open" else np.ones(models * images, dtype=bool)
    counts = np.bincount(place.reshape(-1)[inside], minlength=images * bins).reshape(images, bins)
    return counts / (np.maximum(1, counts.sum(axis=1, keepdims=True)) if edge == "open" else models)


def _checked(unlearned: np.ndarray, oracle: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    unlearned, oracle = (np.asarray(margins, dtype=np.float64) for margins in (unlearned, oracle))
    if unlearned.ndim != 2 or oracle.ndim != 2 or unlearned.shape[1] != oracle.shape[1] or not unlearned.size * oracle.size:
        raise InputError(
            f"margins {unlearned.shape} and {oracle.shape} do not fit: expected (models, images) of the same "
            "images, with one model and one image at least"
        )
    bad = int((~np.isfinite(unlearned)).sum() + (~np.isfinite(oracle)).sum())
    if bad:
        raise InputError(f"{bad} margins are not finite: a model of the ensemble has diverged; leave it out")
    if bins < 2:
        raise InputError(f"a histogram of {bins} bins tells nothing apart: 2 or more are needed")
    return unlearned, oracle
