"""Everything that is said about a run in figures: metrics.json, from logits and targets alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from aru.errors import InputError
from aru.evaluation.intervals import draw_counts, interval
from aru.evaluation.logistic import AttackSplits
from aru.evaluation.matched import MatchedAttack, strata_of
from aru.evaluation.membership import benchmark_mia, forgetting_score, label_only_accuracy, nomus
from aru.evaluation.utility import per_class, per_example_loss, utility, utility_columns, utility_figures

SETS = ("forget", "retain", "test", "unseen")
REFERENCE_MODEL = "retrained"
MIA_RESAMPLES = 200
"""Resamples of the benchmark's attack, each ten regressions, and of NoMUS, which rests on it."""
NULL_SIMULATIONS = 200
NULL_SEED = 0
DECIMALS = 6
MATCHED = ("auc", "balanced_accuracy", "tpr_at_1pct_fpr")

Figures = dict[str, float]
Draws = dict[str, np.ndarray]


@dataclass(frozen=True)
class _Sides:
    """Who is compared in a membership attack: the classes of the forget and of the unseen images."""

    forget: np.ndarray
    unseen: np.ndarray


def summarise(
    logits: Mapping[str, Mapping[str, torch.Tensor]],
    targets: Mapping[str, torch.Tensor],
    *,
    groups: Mapping[str, np.ndarray] | None,
    benchmark: str,
    protocol: str,
    task: str,
    seed: int,
    resamples: int,
) -> dict[str, object]:
    """The content of metrics.json.

    Shape: logits[model][set] (M, C) and targets[set] (M,) or (M, L), for the sets forget, retain, test, unseen;
    groups[set] (M,), the subject of every image, or None where every image counts as a person of its own. Every model's
    figures are compared with those of the model named `retrained`, where there is one. Raises InputError on sets that are
    missing, empty or do not fit.
    """
    _check_sets(logits, targets)
    sides = _Sides(strata_of(targets["forget"]), strata_of(targets["unseen"]))
    models = {model: _model_figures(sets, targets, sides) for model, sets in logits.items()}
    draws = _draw(targets, groups, resamples=resamples, seed=seed)
    resampled = _resample(logits, targets, sides, draws)
    content = {
        "benchmark": benchmark, "protocol": protocol, "task": task, "seed": seed,
        "counts": {name: len(targets[name]) for name in SETS},
        "models": models,
        "gaps": _gaps(models),
        "intervals": _intervals(resampled),
        "per_class": {model: {name: per_class(sets[name], targets[name]) for name in SETS}
                      for model, sets in logits.items()},
        "reference": _reference(sides, resamples=resamples),
    }
    return rounded(content)


def null_forgetting_scores(forget: int, unseen: int, *, simulations: int, seed: int) -> np.ndarray:
    """Forgetting scores of the benchmark's attack where there is nothing to find: both sides' losses from one law.

    Shape: result (simulations,). The law is exponential, as losses roughly are; people who repeat are not modelled, and
    raise the floor further.
    """
    rng, splits = np.random.default_rng(seed), AttackSplits(forget, unseen)
    return np.array([forgetting_score(splits.accuracy(rng.exponential(size=forget), rng.exponential(size=unseen)))
                     for _ in range(simulations)])


def rounded(content: object) -> object:
    """The same structure, every float rounded, so that the last bits of a sum do not change the file."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return round(content, DECIMALS) + 0.0 if isinstance(content, float) else content


def _check_sets(logits: Mapping[str, Mapping[str, torch.Tensor]], targets: Mapping[str, torch.Tensor]) -> None:
    for where, sets in (("targets", targets), *((f"the logits of {model}", sets) for model, sets in logits.items())):
        missing = [name for name in SETS if name not in sets]
        if missing:
            raise InputError(f"{where} lack the set {missing[0]!r}: {', '.join(SETS)} are needed")


def _model_figures(logits: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor], sides: _Sides) -> Figures:
    figures = {f"{name}/{key}": value for name in SETS for key, value in utility(logits[name], targets[name]).items()}
    forget, unseen = (per_example_loss(logits[name], targets[name]) for name in ("forget", "unseen"))
    figures["mia/accuracy"] = benchmark_mia(forget, unseen)
    figures["mia/forgetting_score"] = forgetting_score(figures["mia/accuracy"])
    figures["nomus"] = nomus(figures["test/accuracy"], figures["mia/accuracy"])
    matched = MatchedAttack(forget, sides.forget, unseen, sides.unseen).figures()
    return figures | {f"mia_matched/{key}": getattr(matched, key) for key in MATCHED}


def _gaps(models: Mapping[str, Figures]) -> dict[str, Figures]:
    reference = models.get(REFERENCE_MODEL, {})
    return {model: {f"gap/{key}": figures[key] - reference[key] for key in figures if key in reference}
            for model, figures in models.items() if reference and model != REFERENCE_MODEL}


def _draw(targets: Mapping[str, torch.Tensor], groups: Mapping[str, np.ndarray] | None, *,
          resamples: int, seed: int) -> Draws:
    return {name: draw_counts(len(targets[name]), groups[name] if groups else None, resamples=resamples,
                              rng=np.random.default_rng([seed, index]))
            for index, name in enumerate(SETS)}


def _resample(logits: Mapping[str, Mapping[str, torch.Tensor]], targets: Mapping[str, torch.Tensor],
              sides: _Sides, draws: Draws) -> dict[str, dict[str, np.ndarray]]:
    """Every figure of every model in every resample; the same draws for all models."""
    losses = {model: tuple(per_example_loss(sets[name], targets[name]) for name in ("forget", "unseen"))
              for model, sets in logits.items()}
    attacks = _resampled_mia(losses, draws)
    result: dict[str, dict[str, np.ndarray]] = {}
    for model, sets in logits.items():
        values = {f"{name}/{key}": figure for name in SETS
                  for key, figure in utility_figures(utility_columns(sets[name], targets[name]), draws[name]).items()}
        accuracy = attacks[model]
        values["mia/accuracy"], values["mia/forgetting_score"] = accuracy, np.abs(accuracy - 0.5)
        values["nomus"] = (values["test/accuracy"][:len(accuracy)] + 1 - 2 * values["mia/forgetting_score"]) / 2
        result[model] = values | _resampled_matched(losses[model], sides, draws)
    return result


def _resampled_mia(losses: Mapping[str, tuple[np.ndarray, np.ndarray]], draws: Draws) -> dict[str, np.ndarray]:
    accuracies: dict[str, list[float]] = {model: [] for model in losses}
    for forget_counts, unseen_counts in zip(draws["forget"][:MIA_RESAMPLES], draws["unseen"][:MIA_RESAMPLES], strict=True):
        forget, unseen = (np.repeat(np.arange(len(counts)), counts.astype(np.int64))
                          for counts in (forget_counts, unseen_counts))
        splits = AttackSplits(len(forget), len(unseen))
        for model, (forget_losses, unseen_losses) in losses.items():
            accuracies[model].append(splits.accuracy(forget_losses[forget], unseen_losses[unseen]))
    return {model: np.array(values) for model, values in accuracies.items()}


def _resampled_matched(losses: tuple[np.ndarray, np.ndarray], sides: _Sides, draws: Draws) -> dict[str, np.ndarray]:
    attack = MatchedAttack(losses[0], sides.forget, losses[1], sides.unseen)
    found = [attack.figures(forget, unseen) for forget, unseen in zip(draws["forget"], draws["unseen"], strict=True)]
    return {f"mia_matched/{key}": np.array([getattr(figures, key) for figures in found]) for key in MATCHED}


def _intervals(resampled: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, list[float] | None]]:
    """Of every figure, and of every gap to the retrained model (paired: the same resamples)."""
    reference = resampled.get(REFERENCE_MODEL, {})
    result = {}
    for model, values in resampled.items():
        gaps = {} if model == REFERENCE_MODEL else {
            f"gap/{key}": interval(values[key] - reference[key]) for key in values if key in reference}
        result[model] = {key: interval(value) for key, value in values.items()} | gaps
    return result


def _reference(sides: _Sides, *, resamples: int) -> dict[str, float | int]:
    """What the figures are to be read against: what the labels alone give away, and what chance alone gives."""
    floor = null_forgetting_scores(len(sides.forget), len(sides.unseen), simulations=NULL_SIMULATIONS, seed=NULL_SEED)
    return {
        "label_only/accuracy": label_only_accuracy(sides.forget, sides.unseen),
        "matched_forget_share": float(np.isin(sides.forget, sides.unseen).mean()),
        "null/forgetting_score_mean": float(floor.mean()),
        "null/forgetting_score_p95": float(np.quantile(floor, 0.95)),
        "resamples": resamples,
        "mia_resamples": min(resamples, MIA_RESAMPLES),
    }
