"""Which people each shadow model is trained on: random halves, in pairs that complete each other."""

from collections.abc import Sequence

import numpy as np

from aru.core.errors import InputError

_SEED = 20220414  # a pool grows and is never drawn anew, so the seed is fixed


def halves(strata: Sequence[str] | np.ndarray, models: int) -> np.ndarray:
    """Which of the people each model sees. Shape: strata (P,), one a person; result (K, P) bool.

    Models 2j and 2j + 1 see complementary halves, so that every even prefix of the pool holds each person in exactly half
    of its models, and more models change nothing about the first. The people of a stratum (of one main class) are put
    together two by two, anew for every pair of models, and a coin says which of the two goes where: a half has half of
    each stratum, to one person. Halves of the data as in Carlini et al. 2022 (arXiv 2112.03570), here of the people.
    """
    check_models(models)
    if len(strata) < 4:
        raise InputError(f"{len(strata)} people have training photos: a pool of halves needs at least 4")
    first = [_half(np.asarray(strata), np.random.default_rng([_SEED, pair])) for pair in range(models // 2)]
    return np.stack([side for half in first for side in (half, ~half)])


def check_models(models: int) -> None:
    """Raise InputError for a number of models that no pool can have."""
    if models < 2 or models % 2:
        raise InputError(f"{models} shadow models: an even number of 2 or more is needed, as halves come in pairs")


def _half(strata: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    chosen = np.zeros(len(strata), dtype=bool)
    for begin in range(0, len(order), 2):
        couple = order[begin : begin + 2]
        side = rng.integers(2)
        chosen[couple[side : side + 1]] = True
    return chosen
