"""Every figure of every model in every bootstrap resample; all models see the same draws."""

from collections.abc import Mapping

import numpy as np
import torch

from aru.core.names import FORGET, UNSEEN
from aru.metrics.membership.benchmark_attack import SPLITS, forgetting_score, nomus
from aru.metrics.membership.logistic import AttackSplits
from aru.metrics.membership.matched import FIGURES, MatchedAttack, strata_of
from aru.metrics.utility import per_example_loss, utility_columns, utility_figures
from aru.stats.intervals import draw_counts, interval

MIA_RESAMPLES = 200
"""Resamples of the benchmark's attack, each of ten regressions, and of NoMUS, which rests on it."""

Draws = dict[str, np.ndarray]
Resampled = dict[str, np.ndarray]


def draw_sets(
    targets: Mapping[str, torch.Tensor],
    groups: Mapping[str, np.ndarray] | None,
    *,
    resamples: int,
    seed: int,
) -> Draws:
    """How often every image of every set is drawn; each set has its own stream of random numbers.

    Shape: result set -> (resamples, M).
    """
    return {
        name: draw_counts(
            len(targets[name]),
            groups[name] if groups else None,
            resamples=resamples,
            rng=np.random.default_rng([seed, number]),
        )
        for number, name in enumerate(sorted(targets))
    }


def resample(
    logits: Mapping[str, Mapping[str, torch.Tensor]], targets: Mapping[str, torch.Tensor], draws: Draws
) -> dict[str, Resampled]:
    """The figures of metrics.json in every resample: model -> key -> (resamples,).

    The benchmark's attack and NoMUS have `MIA_RESAMPLES` of them at most, the first ones.
    """
    losses: dict[str, dict[str, np.ndarray]] = {
        model: {name: per_example_loss(sets[name], targets[name]) for name in (FORGET, UNSEEN)}
        for model, sets in logits.items()
    }
    strata: dict[str, np.ndarray] = {name: strata_of(targets[name]) for name in (FORGET, UNSEEN)}
    accuracies = resampled_benchmark_attack(losses, draws)
    result = {}
    for model, sets in logits.items():
        values, accuracy = _utility(sets, targets, draws), accuracies[model]
        values["mia/accuracy"], values["mia/forgetting_score"] = accuracy, forgetting_score(accuracy)
        values["nomus"] = nomus(values["test/accuracy"][: len(accuracy)], accuracy)
        result[model] = values | resampled_matched_attack(losses[model], strata, draws)
    return result


def intervals(resampled: Mapping[str, Resampled], *, reference: str) -> dict[str, dict[str, list[float] | None]]:
    """Intervals of every figure and, under `gap/KEY`, of its paired difference to the reference model's.

    That of the forgetting score is that of the attack's accuracy, folded at 0.5: resamples lie on both sides of a guess, and
    their distances from it never reach 0.
    """
    beside = resampled.get(reference, {})
    result = {}
    for model, values in resampled.items():
        result[model] = {key: interval(value) for key, value in values.items()}
        result[model]["mia/forgetting_score"] = _folded(result[model]["mia/accuracy"])
        if model != reference:
            result[model] |= {f"gap/{key}": interval(values[key] - beside[key]) for key in values if key in beside}
    return result


def _folded(accuracy: list[float] | None) -> list[float] | None:
    """The distances from 0.5 of the values of an interval."""
    if accuracy is None:
        return None
    low, high = sorted(abs(end - 0.5) for end in accuracy)
    return [0.0 if accuracy[0] <= 0.5 <= accuracy[1] else low, high]


def _utility(logits: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor], draws: Draws) -> Resampled:
    return {
        f"{name}/{key}": values
        for name, counts in draws.items()
        for key, values in utility_figures(utility_columns(logits[name], targets[name]), counts).items()
    }


def resampled_benchmark_attack(losses: Mapping[str, Mapping[str, np.ndarray]], draws: Draws) -> dict[str, np.ndarray]:
    """Accuracy of the benchmark's attack on every model, in the first resamples."""
    accuracies: dict[str, list[float]] = {model: [] for model in losses}
    if min(draws[name].shape[1] for name in (FORGET, UNSEEN)) < SPLITS:  # a draw may have more, the sets have no figure
        return {model: np.full(len(draws[FORGET][:MIA_RESAMPLES]), np.nan) for model in losses}
    for counts in zip(draws[FORGET][:MIA_RESAMPLES], draws[UNSEEN][:MIA_RESAMPLES], strict=True):
        forget, unseen = (np.repeat(np.arange(len(count)), count.astype(np.int64)) for count in counts)
        # A draw of few people with few photos may be too small to split; it counts as no figure.
        splits = AttackSplits(len(forget), len(unseen)) if min(len(forget), len(unseen)) >= SPLITS else None
        for model, sets in losses.items():
            found = splits.accuracy(sets[FORGET][forget], sets[UNSEEN][unseen]) if splits else np.nan
            accuracies[model].append(found)
    return {model: np.array(values) for model, values in accuracies.items()}


def resampled_matched_attack(losses: Mapping[str, np.ndarray], strata: Mapping[str, np.ndarray], draws: Draws) -> Resampled:
    if not np.intersect1d(strata[FORGET], strata[UNSEEN]).size:
        return {f"mia_matched/{key}": np.full(len(draws[FORGET]), np.nan) for key in FIGURES}
    attack = MatchedAttack(losses[FORGET], strata[FORGET], losses[UNSEEN], strata[UNSEEN])
    return {f"mia_matched/{key}": values for key, values in attack.resampled(draws[FORGET], draws[UNSEEN]).items()}
