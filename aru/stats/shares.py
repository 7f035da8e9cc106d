"""Shares of images by model, with intervals over people and paired gaps to the retrained model."""

from collections.abc import Mapping

import numpy as np

from aru.core.errors import InputError
from aru.core.names import RETRAINED
from aru.core.seeds import draw_seed
from aru.stats.intervals import Share, draw_counts, interval

RESAMPLES = 1000


def shares(
    hits: Mapping[str, np.ndarray], groups: np.ndarray | None, *, seed: int, resamples: int = RESAMPLES
) -> dict[str, Share]:
    """Mean of each model's column as `share`, its 95 % `interval`, and `gap` and `gap_interval` to `retrained`.

    People are drawn with all their images (percentile bootstrap); all models see the same draws.

    Shape: hits[model] (M,) in [0, 1], whether each image is answered rightly (or confused ...); groups (M,), the
    person of every image, or None where each image counts as a person.
    """
    columns = {model: np.asarray(column, dtype=np.float64) for model, column in hits.items()}
    sizes = {column.shape for column in columns.values()}
    if len(sizes) != 1 or min(sizes) == (0,):
        raise InputError(
            f"columns of the shapes {sorted(sizes)} cannot be compared: one value an image is needed of each "
            "model, and one image at least"
        )
    rng = np.random.default_rng(draw_seed(seed, "shares"))
    counts = draw_counts(len(next(iter(columns.values()))), groups, resamples=resamples, rng=rng)
    drawn = {model: counts @ column / counts.sum(axis=1) for model, column in columns.items()}
    result: dict[str, Share] = {
        model: {"share": float(column.mean()), "interval": interval(drawn[model])} for model, column in columns.items()
    }
    for model in columns.keys() - {RETRAINED} if RETRAINED in columns else ():
        result[model]["gap"] = result[model]["share"] - result[RETRAINED]["share"]
        result[model]["gap_interval"] = interval(drawn[model] - drawn[RETRAINED])
    return result
