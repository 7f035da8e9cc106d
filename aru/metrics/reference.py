"""What the figures are to be read against: what labels alone reveal, and what chance alone gives."""

import numpy as np

from aru.metrics.membership.benchmark_attack import SPLITS, forgetting_score
from aru.metrics.membership.logistic import AttackSplits

NULL_SIMULATIONS = 200
NULL_SEED = 0


def label_only_accuracy(forget_strata: np.ndarray, unseen_strata: np.ndarray) -> float:
    """Accuracy of the best attack that sees only the label: (1 + total variation) / 2, at equal odds.

    Shape: (F,) and (U,) class numbers. The benchmark's attack may reach it on a model that remembers nobody.
    """
    classes = np.union1d(forget_strata, unseen_strata)
    shares = [(np.asarray(strata)[:, None] == classes).mean(axis=0) for strata in (forget_strata, unseen_strata)]
    return float((1 + np.abs(shares[0] - shares[1]).sum() / 2) / 2)


def null_forgetting_scores(forget: int, unseen: int, *, simulations: int, seed: int) -> np.ndarray:
    """Forgetting scores of the benchmark's attack where there is nothing to find: one law for all losses.

    Shape: result (simulations,). The law is exponential, as losses roughly are; people who repeat are not
    modelled, and raise the floor further.
    """
    rng, splits = np.random.default_rng(seed), AttackSplits(forget, unseen)
    return np.array(
        [
            forgetting_score(splits.accuracy(rng.exponential(size=forget), rng.exponential(size=unseen)))
            for _ in range(simulations)
        ]
    )


def reference_figures(forget_strata: np.ndarray, unseen_strata: np.ndarray) -> dict[str, float | None]:
    """The reference figures of metrics.json, from the classes of forget and unseen images alone.

    What chance gives the benchmark's attack is None where there are fewer images than it needs.
    """
    forget, unseen = len(forget_strata), len(unseen_strata)
    floor = np.full(1, np.nan)
    if min(forget, unseen) >= SPLITS:
        floor = null_forgetting_scores(forget, unseen, simulations=NULL_SIMULATIONS, seed=NULL_SEED)
    return {
        "label_only/accuracy": label_only_accuracy(forget_strata, unseen_strata),
        "matched_forget_share": float(np.isin(forget_strata, unseen_strata).mean()),
        "null/forgetting_score_mean": _known(floor.mean()),
        "null/forgetting_score_p95": _known(np.quantile(floor, 0.95)),
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
