"""Interpolated approximate measurement: where between "never seen" and "fitted" the unlearned model stands.

Source: Wang et al. 2025 (arXiv 2506.06112) and the authors' code (Happy2Git/Unlearning_Inference_IAM, iam_score.py),
which weighs the interpolations. It needs one to ten models that never saw the examples, and none that unlearned.
"""

from typing import Literal

import numpy as np
from scipy.stats import gumbel_r, norm

from aru.core.errors import InputError
from aru.metrics.shadow_attacks.shadow_signals import LEAST, PoolSignals, check_pool, gaussians

STEPS = 99

Law = Literal["normal", "gumbel"]
Deviation = Literal["example", "shared"]


def iam(signals: PoolSignals, original: np.ndarray, *, law: Law = "normal", deviation: Deviation = "example") -> np.ndarray:
    """Share of the way from unseen to fitted, in [0, 1]: near 1 still fitted, near 0 forgotten.

    For 99 values of a in [0, 1), s_a = s_out + a (s_original - s_out) is the signal of a model that fits the example
    by a. The score is the mean over a of CDF(s_target; mean(s_a), std(s_a)), weighed by a, so that the steps that a
    model without the example passes by chance count little. Neither end is reached: a retrained model's score is the
    one to compare with, and one below it tells of over-unlearning.

    signals: shadows that saw an example are not used; target, the unlearned model. original: (M,). The signal grows
    with the fit: phi with the law `normal`, -log(loss) with `gumbel` (by moments). deviation: `example`, of the shadows
    around their mean, pooled as in LiRA with fewer than 32 unseen ones; `shared`, the default of the authors' code, that of
    s_a over shadows and examples together, which differences between examples make wide. Where an example has but one
    shadow, it is the shared one.
    Shape: result (M,). Raises InputError where an example has no shadow that never saw it.
    """
    shadows, seen, target = check_pool(signals, seen=0, unseen=1)
    original = np.asarray(original, dtype=np.float64)
    if original.shape != target.shape or not np.isfinite(original).all():
        raise InputError(f"the original's signals {original.shape} must be finite and fit the target's {target.shape}")
    if law not in ("normal", "gumbel"):
        raise InputError(f"law is {law!r}: choose normal or gumbel")
    if deviation not in ("example", "shared"):
        raise InputError(f"deviation is {deviation!r}: choose example or shared")
    shared = deviation == "shared" or bool(((~seen).sum(axis=0) < LEAST).any())
    mean = np.where(seen, 0, shadows).sum(axis=0) / (~seen).sum(axis=0)
    own = None if shared else gaussians(shadows, ~seen, "auto")[1]
    weights = np.arange(1, STEPS + 1) / STEPS
    score = np.zeros(len(target))
    for weight in weights:
        a = weight - 1 / STEPS
        scale = (shadows + a * (original - shadows))[~seen].std() if shared else (1 - a) * own
        score += weight * _cdf(target, mean + a * (original - mean), scale, law)
    return score / weights.sum()


def _cdf(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray, law: Law) -> np.ndarray:
    deviation = np.maximum(deviation, np.finfo(np.float64).tiny)  # a step at the mean where nothing varies
    if law == "normal":
        return norm.cdf(values, mean, deviation)
    scale = np.sqrt(6) / np.pi * deviation
    return gumbel_r.cdf(values, mean - np.euler_gamma * scale, scale)
