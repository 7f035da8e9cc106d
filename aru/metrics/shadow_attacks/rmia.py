"""The robust membership attack, offline: is the target surer of an example than of most others, beyond its due?

Source: Zarifzadeh et al. 2024 (arXiv 2312.03262). The signal is the true class's probability
(`signals.confidence`). One to eight reference models are enough.
"""

from dataclasses import dataclass

import numpy as np

from aru.core.errors import InputError
from aru.metrics.shadow_attacks.shadow_signals import PoolSignals, check_pool, leave_out
from aru.stats.roc import auc

GRID = tuple(step / 10 for step in range(11))
GAMMA = 1.0


@dataclass(frozen=True)
class TunedA:
    """The interpolation that serves best on a model whose members are known; the AUC by each value tried."""

    a: float
    aucs: dict[float, float]


def rmia(signals: PoolSignals, population: PoolSignals, *, a: float, gamma: float = GAMMA) -> np.ndarray:
    """Pr over z of [ratio(x) / ratio(z) >= gamma], ratio = p_target / ((1 + a) mean_out p + 1 - a) * 2; in [0, 1].

    signals: the examples x, M of them; population: examples z, Z of them, which the target never saw, under the same
    models. Shadows that saw an example are left out of its mean. a in [0, 1], from `tune_a`; gamma at least 1.
    Shape: result (M,). Raises InputError where an example has no reference model that never saw it.
    """
    _check(a, gamma)
    if len(signals.shadows) != len(population.shadows):
        raise InputError(
            f"{len(signals.shadows)} shadow models judge the examples and {len(population.shadows)} the "
            "population: both need the same models"
        )
    examples, others = _ratios(signals, a), np.sort(_ratios(population, a))
    return np.searchsorted(others, examples / gamma, side="right") / len(others)


def tune_a(signals: PoolSignals, population: PoolSignals, *, paired: int = 0, gamma: float = GAMMA) -> TunedA:
    """The `a` of 0, 0.1 ... 1 with the highest AUC when shadow number `paired` is attacked by the other shadows.

    Truth is that shadow's own membership; neither `target` takes part, since the reported figure must not choose.
    Images of the population that the paired shadow saw are left out. Of equal AUCs the smallest `a` is taken. Raises
    InputError where the paired shadow saw all of the examples or none.
    """
    shadows, seen = len(signals.shadows), np.asarray(signals.seen)
    if not 0 <= paired < shadows:
        raise InputError(f"paired is {paired}, the pool has {shadows} shadow models: they are numbered from 0")
    members = seen[paired]
    if members.all() or not members.any():
        raise InputError(
            f"shadow model {paired} saw {'all' if members.all() else 'none'} of the examples: a is tuned on a "
            "model that saw some of them"
        )
    examples, others = leave_out(signals, paired), leave_out(population, paired)
    unseen = ~np.asarray(population.seen)[paired]
    others = PoolSignals(others.shadows[:, unseen], others.seen[:, unseen], others.target[unseen])
    aucs = {}
    for a in GRID:
        scores = rmia(examples, others, a=a, gamma=gamma)
        aucs[a] = auc(scores[members], scores[~members])
    return TunedA(max(aucs, key=aucs.__getitem__), aucs)


def _ratios(signals: PoolSignals, a: float) -> np.ndarray:
    """Target's probability over the estimated one of an average model. Shape: (M,)."""
    shadows, seen, target = check_pool(signals, seen=0, unseen=1)
    if min(shadows.min(), target.min()) < 0 or max(shadows.max(), target.max()) > 1:
        raise InputError("RMIA's signals are probabilities in [0, 1]: give signals.confidence")
    mean_out = np.where(seen, 0, shadows).sum(axis=0) / (~seen).sum(axis=0)
    average = ((1 + a) * mean_out + (1 - a)) / 2
    return target / np.maximum(average, np.finfo(np.float64).tiny)


def _check(a: float, gamma: float) -> None:
    if not 0 <= a <= 1:
        raise InputError(f"a is {a}: it lies in [0, 1]; take the one of tune_a")
    if gamma < 1:
        raise InputError(f"gamma is {gamma}: it is 1 or more")
