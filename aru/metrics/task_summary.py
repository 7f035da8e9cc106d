"""The figures of a task other than classification, in the shape of metrics.json: losses, scores, and the attacks on the loss.

There are no classes: the class-matched attack compares all forget with all unseen samples, and NoMUS, which is defined by
the accuracy of a classifier, is not measured.
"""

from collections.abc import Mapping

import numpy as np
import torch

from aru.core.names import RETRAINED, SETS
from aru.metrics.membership.benchmark_attack import SPLITS, benchmark_mia, forgetting_score
from aru.metrics.membership.matched import FIGURES, MatchedAttack
from aru.metrics.metrics_file import Metrics
from aru.metrics.reference import reference_figures
from aru.metrics.resampling import (
    MIA_RESAMPLES,
    draw_sets,
    intervals,
    resampled_benchmark_attack,
    resampled_matched_attack,
)
from aru.metrics.summary import gaps_to_retrained, reaching_figures, rounded
from aru.metrics.task_scores import SetFigure, mean_of

Losses = Mapping[str, Mapping[str, np.ndarray]]
SLOW_RESAMPLES = 200
"""Resamples of a figure that is computed anew for each of them; such a figure has an interval on the test set alone."""
NO_NOMUS = "NoMUS is defined by the accuracy of a classifier"


def summarise_task(
    losses: Losses,
    figures: Mapping[str, Mapping[str, Mapping[str, SetFigure]]],
    *,
    groups: Mapping[str, np.ndarray],
    task: str,
    seed: int,
    resamples: int,
    slow: frozenset[str] = frozenset(),
) -> Metrics:
    """The content of metrics.json for a task of a caller's own.

    losses[model][set]: (M,). figures[model][set]: further figures by key; those in `slow` have `SLOW_RESAMPLES` at most.
    groups[set] (M,): the person on each sample.
    """
    counts = {str(name): len(next(iter(losses.values()))[name]) for name in SETS}
    draws = draw_sets({name: torch.zeros(count) for name, count in counts.items()}, groups, resamples=resamples, seed=seed)
    strata = {name: np.zeros(counts[name], dtype=np.int64) for name in ("forget", "unseen")}
    missing = _missing(counts)
    resampled = {model: resampled_matched_attack(own, strata, draws) for model, own in losses.items()}
    for model, accuracy in resampled_benchmark_attack(losses, draws).items():
        resampled[model] |= {"mia/accuracy": accuracy, "mia/forgetting_score": forgetting_score(accuracy)}
    models: dict[str, dict[str, float | None]] = {}
    for model, own in losses.items():
        models[model] = _attacks(own, strata, missing)
        for name in SETS:
            for key, figure in _of_set(own[name], figures[model][name]).items():
                models[model][f"{name}/{key}"] = float(figure(np.ones((1, counts[name])))[0])
                if key not in slow or name == "test":
                    drawn = draws[name][:SLOW_RESAMPLES] if key in slow else draws[name]
                    resampled[model][f"{name}/{key}"] = figure(drawn)
    gaps = gaps_to_retrained(models)
    reference = reference_figures(strata["forget"], strata["unseen"])
    metrics: Metrics = {
        "benchmark": "own data",
        "protocol": "own",
        "task": task,
        "seed": seed,
        "counts": counts,
        "people": {name: len(np.unique(groups[name])) for name in SETS},
        "models": models,
        "not_measured": missing,
        "gaps": gaps,
        "intervals": reaching_figures(intervals(resampled, reference=RETRAINED), models, gaps),
        "per_class": {},
        "reference": reference | {"resamples": resamples, "mia_resamples": min(resamples, MIA_RESAMPLES)},
    }
    return rounded(metrics)


def _of_set(losses: np.ndarray, figures: Mapping[str, SetFigure]) -> dict[str, SetFigure]:
    return {"loss": mean_of(losses), **figures}


def _missing(counts: Mapping[str, int]) -> dict[str, str]:
    found = {"nomus": NO_NOMUS}
    if min(counts["forget"], counts["unseen"]) < SPLITS:
        why = (
            f"the benchmark's attack needs {SPLITS} forget and {SPLITS} unseen samples; there are {counts['forget']} and "
            f"{counts['unseen']}"
        )
        found |= dict.fromkeys(("mia/accuracy", "mia/forgetting_score"), why)
    return found


def _attacks(
    losses: Mapping[str, np.ndarray], strata: Mapping[str, np.ndarray], missing: Mapping[str, str]
) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(("mia/accuracy", "mia/forgetting_score", "nomus"))
    if "mia/accuracy" not in missing:
        accuracy = benchmark_mia(losses["forget"], losses["unseen"])
        found |= {"mia/accuracy": accuracy, "mia/forgetting_score": forgetting_score(accuracy)}
    matched = MatchedAttack(losses["forget"], strata["forget"], losses["unseen"], strata["unseen"]).figures()
    return found | {f"mia_matched/{key}": getattr(matched, key) for key in FIGURES}
