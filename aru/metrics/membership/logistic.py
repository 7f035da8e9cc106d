"""The benchmark's attack again, some ten times faster: for the bootstrap and the noise floor, which fit
thousands of them.

scikit-learn's logistic regression minimises w^2 / 2 + sum_i log(1 + exp(-s_i (w x_i + b))), s = +-1. With one
feature that is a problem of two unknowns, which Newton's method solves exactly for all ten splits at once.
The figure that is reported always comes from scikit-learn itself (`membership.benchmark_mia`); a test holds
the two together.
"""

import numpy as np

from aru.metrics.membership.benchmark_attack import attack_indices, splitter

ITERATIONS = 60
TOLERANCE = 1e-9


def fit_logistic(feature: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of S one-feature logistic regressions with the penalty w^2 / 2.

    Shape: feature (S, n), member (S, n) of 0 and 1 with both present in every row; result (S,), (S,).
    """
    centre, scale = feature.mean(axis=1, keepdims=True), feature.std(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    standard = (feature - centre) / scale  # well-conditioned: losses span six decades
    penalty = 1 / scale[:, 0] ** 2
    slope, intercept = np.zeros(len(feature)), _log_odds(member)
    for _ in range(ITERATIONS):
        step_slope, step_intercept = _newton_step(standard, member, penalty, slope, intercept)
        length = _step_length(standard, member, penalty, (slope, intercept), (step_slope, step_intercept))
        slope, intercept = slope - length * step_slope, intercept - length * step_intercept
        if max(np.abs(step_slope).max(), np.abs(step_intercept).max()) < TOLERANCE:
            break
    slope = slope / scale[:, 0]
    return slope, intercept - slope * centre[:, 0]


class AttackSplits:
    """Which images train and test each of the ten regressions, given how many there are."""

    def __init__(self, forget: int, unseen: int) -> None:
        self._forget, self._unseen = attack_indices(forget, unseen)
        self._member = np.repeat([0.0, 1.0], [len(self._unseen), len(self._forget)])
        parts = list(splitter().split(np.zeros(len(self._member)), self._member))
        self._train, self._test = (np.stack(side) for side in zip(*parts, strict=True))

    def accuracy(self, forget_losses: np.ndarray, unseen_losses: np.ndarray) -> float:
        """Accuracy of the attack: `benchmark_mia` up to the solver's tolerance. Shape: (F,), (U,)."""
        sample = np.concatenate((unseen_losses[self._unseen], forget_losses[self._forget])).astype(np.float64)
        slope, intercept = fit_logistic(sample[self._train], self._member[self._train])
        said = slope[:, None] * sample[self._test] + intercept[:, None] > 0
        return float((said == (self._member[self._test] > 0)).mean())


def _log_odds(member: np.ndarray) -> np.ndarray:
    share = member.mean(axis=1)
    return np.log(share / (1 - share))


def _newton_step(
    feature: np.ndarray, member: np.ndarray, penalty: np.ndarray, slope: np.ndarray, intercept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Newton's step, to be subtracted: the 2 x 2 system by Cramer's rule."""
    chance = 1 / (1 + np.exp(-np.clip(slope[:, None] * feature + intercept[:, None], -500, 500)))
    residual, weight = chance - member, chance * (1 - chance)
    weighted = weight * feature
    gradient_slope, gradient_intercept = (
        (residual * feature).sum(axis=1) + penalty * slope,
        residual.sum(axis=1),
    )
    a, b, c = (weighted * feature).sum(axis=1) + penalty, weighted.sum(axis=1), weight.sum(axis=1)
    determinant = np.maximum(a * c - b * b, 1e-300)
    return (
        (c * gradient_slope - b * gradient_intercept) / determinant,
        (a * gradient_intercept - b * gradient_slope) / determinant,
    )


def _step_length(
    feature: np.ndarray,
    member: np.ndarray,
    penalty: np.ndarray,
    at: tuple[np.ndarray, np.ndarray],
    step: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """1, halved where the full step would raise the objective."""
    length = np.ones(len(feature))
    start = _objective(feature, member, penalty, *at)
    for _ in range(30):
        worse = _objective(feature, member, penalty, at[0] - length * step[0], at[1] - length * step[1]) > start + 1e-9
        if not worse.any():
            break
        length = np.where(worse, length / 2, length)
    return length


def _objective(
    feature: np.ndarray, member: np.ndarray, penalty: np.ndarray, slope: np.ndarray, intercept: np.ndarray
) -> np.ndarray:
    margin = slope[:, None] * feature + intercept[:, None]
    return penalty * slope**2 / 2 + (np.logaddexp(0, margin) - member * margin).sum(axis=1)
