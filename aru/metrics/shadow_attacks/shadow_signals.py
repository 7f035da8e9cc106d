"""The signals of a pool of shadow models, and which of them saw which example: what the per-example attacks read."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np

from aru.core.errors import InputError

LEAST = 2
"""Shadows of an example from which a deviation can be estimated."""
FEW = 32
"""Shadows a side below which one variance serves all examples: Carlini et al. 2022 gain by it below 64 in all."""
SMALLEST_DEVIATION = 1e-3
"""Of an example, as a share of the pooled one: two shadows that agree by chance would make it certain."""

Variance = Literal["auto", "example", "pooled", "official", "official-fixed"]


class PoolSignals(NamedTuple):
    """One signal of every example under the shadow models and under the model that is attacked.

    shadows: (K, M) float. seen: (K, M) bool, whether a shadow's training data held the example; photos of a person
    stand on one side, or the shadows that "never saw" an image know the face. target: (M,) float.
    """

    shadows: np.ndarray
    seen: np.ndarray
    target: np.ndarray


def check_pool(signals: PoolSignals, *, seen: int, unseen: int) -> PoolSignals:
    """Signals as float64; raise InputError unless every example has so many shadows that saw it and that did not."""
    shadows, target = (np.asarray(values, dtype=np.float64) for values in (signals.shadows, signals.target))
    masks = np.asarray(signals.seen)
    if shadows.ndim != 2 or not shadows.size or masks.shape != shadows.shape or target.shape != shadows.shape[1:]:
        raise InputError(
            f"shadows {shadows.shape}, seen {masks.shape} and target {target.shape} do not fit: expected "
            "(K, M), (K, M) and (M,), with one example at least"
        )
    if masks.dtype != np.bool_:
        raise InputError(f"seen is {masks.dtype}: a boolean mask is needed, True where a shadow was trained on the example")
    bad = int((~np.isfinite(shadows)).sum() + (~np.isfinite(target)).sum())
    if bad:
        raise InputError(f"{bad} signals are not finite: a shadow model or the target has diverged; leave it out")
    for name, count, least in (("saw", masks.sum(axis=0), seen), ("never saw", (~masks).sum(axis=0), unseen)):
        if count.min() < least:
            raise InputError(
                f"example {int(count.argmin())} has {int(count.min())} shadow models that {name} it: {least} or "
                "more are needed; add models to the pool"
            )
    return PoolSignals(shadows, masks, target)


def gaussians(shadows: np.ndarray, chosen: np.ndarray, variance: Variance) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n - 1) of every example over the chosen shadows, 2 or more of each.

    variance: `example`, each example's own; `pooled`, one for all, the deviations of all examples from their own
    means; `auto`, pooled where an example has fewer than 32 chosen shadows. `official` and `official-fixed` are those of
    LiRA's public code: medians in place of means, deviations with n, each example's own, or one over all signals, whatever
    their example. Shape: (K, M) each; result (M,), (M,).
    """
    if variance not in get_args(Variance):
        raise InputError(f"variance is {variance!r}: choose {', '.join(get_args(Variance))}")
    if variance in ("official", "official-fixed"):
        kept = np.where(chosen, shadows, np.nan)
        spread = np.nanstd(kept, axis=0) if variance == "official" else np.full(shadows.shape[1], np.nanstd(kept))
        return np.nanmedian(kept, axis=0), spread + np.finfo(np.float64).tiny
    count = chosen.sum(axis=0)
    mean = np.where(chosen, shadows, 0).sum(axis=0) / count
    squares = (np.where(chosen, shadows - mean, 0) ** 2).sum(axis=0)
    pooled = np.sqrt(squares.sum() / (count - 1).sum())
    if pooled == 0:
        raise InputError(
            f"the {int(count.min())} shadow models of a side give the same signals: train them with different seeds and data"
        )
    if resolved(variance, chosen) == "pooled":
        return mean, np.full(len(mean), pooled)
    return mean, np.maximum(np.sqrt(squares / (count - 1)), SMALLEST_DEVIATION * pooled)


def resolved(variance: Variance, chosen: np.ndarray) -> Variance:
    """What `auto` stands for with these chosen shadows (K, M); any other is itself."""
    if variance != "auto":
        return variance
    return "pooled" if chosen.sum(axis=0).min() < FEW else "example"


def held_out(attack: Callable[[PoolSignals], np.ndarray], signals: PoolSignals) -> np.ndarray:
    """Let every shadow be the target once, attacked by the others: scores whose truth is known, `signals.seen`.

    This is how an attack is evaluated when the examples of the reported target all have one status. The pool must
    hold one model more a side than the attack needs. Shape: result (K, M).
    """
    return np.stack([attack(leave_out(signals, number)) for number in range(len(signals.shadows))])


def in_place_of_each(attack: Callable[[PoolSignals], np.ndarray], signals: PoolSignals) -> np.ndarray:
    """The target's own scores where each shadow is left out in turn, as `held_out` leaves out the one that it attacks.

    An attack that knows one shadow more is surer, so the scores of a target attacked by all of them are not to be compared
    with those of `held_out`. Shape: result (K, M).
    """
    rest = (leave_out(signals, number)._replace(target=signals.target) for number in range(len(signals.shadows)))
    return np.stack([attack(one) for one in rest])


def leave_out(signals: PoolSignals, number: int) -> PoolSignals:
    """Shadow `number` as the target of the others."""
    shadows, seen = np.asarray(signals.shadows), np.asarray(signals.seen)
    rest = np.arange(len(shadows)) != number
    return PoolSignals(shadows[rest], seen[rest], shadows[number])
