"""Everything that is said about a run in figures: metrics.json, from logits and targets alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from aru.errors import InputError
from aru.evaluation.matched import FIGURES, MatchedAttack, strata_of
from aru.evaluation.membership import benchmark_mia, forgetting_score, nomus
from aru.evaluation.reference import reference_figures
from aru.evaluation.resampling import MIA_RESAMPLES, draw_sets, intervals, resample
from aru.evaluation.utility import per_class, per_example_loss, utility

SETS = ("forget", "retain", "test", "unseen")
REFERENCE_MODEL = "retrained"
DECIMALS = 6

Logits = Mapping[str, Mapping[str, torch.Tensor]]
Targets = Mapping[str, torch.Tensor]


def summarise(
    logits: Logits,
    targets: Targets,
    *,
    groups: Mapping[str, np.ndarray] | None,
    benchmark: str,
    protocol: str,
    task: str,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """The content of metrics.json.

    Shape: logits[model][set] (M, C) and targets[set] (M,) or (M, L), for the sets forget, retain, test and
    unseen; groups[set] (M,), the subject of every image, or None where every image counts as a person of its
    own. Gaps are to the model named `retrained`, where there is one. Raises InputError on sets that are
    missing, empty or do not fit.
    """
    _check_sets(logits, targets)
    models = {model: model_figures(sets, targets) for model, sets in logits.items()}
    draws = draw_sets({name: targets[name] for name in SETS}, groups, resamples=resamples, seed=seed)
    resampled = resample(logits, targets, draws)
    reference = reference_figures(strata_of(targets["forget"]), strata_of(targets["unseen"]))
    return rounded(
        {
            "benchmark": benchmark,
            "protocol": protocol,
            "task": task,
            "seed": seed,
            "counts": {name: len(targets[name]) for name in SETS},
            "models": models,
            "gaps": _gaps(models),
            "intervals": intervals(resampled, reference=REFERENCE_MODEL),
            "per_class": _per_class(logits, targets),
            "reference": reference | {"resamples": resamples, "mia_resamples": min(resamples, MIA_RESAMPLES)},
        }
    )


def model_figures(logits: Mapping[str, torch.Tensor], targets: Targets) -> dict[str, float]:
    """Utility on the four sets, the benchmark's attack and the class-matched one, of one model."""
    figures = {
        f"{name}/{key}": value for name in SETS for key, value in utility(logits[name], targets[name]).items()
    }
    forget, unseen = (per_example_loss(logits[name], targets[name]) for name in ("forget", "unseen"))
    figures["mia/accuracy"] = benchmark_mia(forget, unseen)
    figures["mia/forgetting_score"] = forgetting_score(figures["mia/accuracy"])
    figures["nomus"] = nomus(figures["test/accuracy"], figures["mia/accuracy"])
    matched = MatchedAttack(
        forget, strata_of(targets["forget"]), unseen, strata_of(targets["unseen"])
    ).figures()
    return figures | {f"mia_matched/{key}": getattr(matched, key) for key in FIGURES}


def rounded(content: Any) -> Any:
    """The same structure, every float rounded, so that the last bits of a sum do not change the file."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return round(content, DECIMALS) + 0.0 if isinstance(content, float) else content


def _check_sets(logits: Logits, targets: Targets) -> None:
    given = [("the targets", targets), *((f"the logits of {model}", sets) for model, sets in logits.items())]
    for where, sets in given:
        missing = [name for name in SETS if name not in sets]
        if missing:
            raise InputError(f"{where} lack the set {missing[0]!r}: {', '.join(SETS)} are needed")


def _gaps(models: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Every figure minus the retrained model's."""
    reference = models.get(REFERENCE_MODEL)
    if reference is None:
        return {}
    return {
        model: {f"gap/{key}": value - reference[key] for key, value in figures.items()}
        for model, figures in models.items()
        if model != REFERENCE_MODEL
    }


def _per_class(logits: Logits, targets: Targets) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        model: {name: per_class(sets[name], targets[name]) for name in SETS} for model, sets in logits.items()
    }
