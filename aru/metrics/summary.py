"""Everything that is said about a run in figures: metrics.json, from logits and targets alone."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch

from aru.core.errors import InputError
from aru.core.names import FORGET, RETRAINED, SETS, UNSEEN
from aru.metrics.membership.benchmark_attack import SPLITS, benchmark_mia, forgetting_score, nomus
from aru.metrics.membership.matched import FIGURES, MatchedAttack, strata_of
from aru.metrics.metrics_file import ClassFigures, Figures, Metrics
from aru.metrics.reference import reference_figures
from aru.metrics.resampling import MIA_RESAMPLES, draw_sets, intervals, resample
from aru.metrics.utility import per_class, per_example_loss, utility

BENCHMARK_ATTACK = ("mia/accuracy", "mia/forgetting_score", "nomus")
MATCHED = tuple(f"mia_matched/{key}" for key in FIGURES)
DECIMALS = 6

Logits = Mapping[str, Mapping[str, torch.Tensor]]
Targets = Mapping[str, torch.Tensor]

Content = TypeVar("Content")


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
) -> Metrics:
    """The content of metrics.json.

    Shape: logits[model][set] (M, C) and targets[set] (M,) or (M, L), for the sets forget, retain, test and
    unseen; groups[set] (M,), the subject of every image, or None where every image counts as a person of its
    own. Gaps are to the model named `retrained`, where there is one. What so few images cannot show is None, and
    `not_measured` says why. Raises InputError on sets that are missing, empty or do not fit.
    """
    _check_sets(logits, targets)
    models = {model: model_figures(sets, targets) for model, sets in logits.items()}
    draws = draw_sets({name: targets[name] for name in SETS}, groups, resamples=resamples, seed=seed)
    resampled = resample(logits, targets, draws)
    reference = reference_figures(strata_of(targets[FORGET]), strata_of(targets[UNSEEN]))
    metrics: Metrics = {
        "benchmark": benchmark,
        "protocol": protocol,
        "task": task,
        "seed": seed,
        "counts": {name: len(targets[name]) for name in SETS},
        "people": {name: len(np.unique(groups[name])) if groups else len(targets[name]) for name in SETS},
        "models": models,
        "not_measured": not_measured(targets),
        "gaps": gaps_to_retrained(models),
        "intervals": reaching_figures(intervals(resampled, reference=RETRAINED), models, gaps_to_retrained(models)),
        "per_class": _per_class(logits, targets),
        "reference": reference | {"resamples": resamples, "mia_resamples": min(resamples, MIA_RESAMPLES)},
    }
    return rounded(metrics)


def model_figures(logits: Mapping[str, torch.Tensor], targets: Targets) -> Figures:
    """Utility on the four sets, the benchmark's attack and the class-matched one, of one model; see `not_measured`."""
    measured = {f"{name}/{key}": value for name in SETS for key, value in utility(logits[name], targets[name]).items()}
    figures: Figures = dict(measured)
    missing = not_measured(targets)
    forget, unseen = (per_example_loss(logits[name], targets[name]) for name in (FORGET, UNSEEN))
    figures |= (
        dict.fromkeys(BENCHMARK_ATTACK)
        if missing.keys() & set(BENCHMARK_ATTACK)
        else _benchmark_attack(forget, unseen, measured["test/accuracy"])
    )
    if missing.keys() & set(MATCHED):
        return figures | dict.fromkeys(MATCHED)
    matched = MatchedAttack(forget, strata_of(targets[FORGET]), unseen, strata_of(targets[UNSEEN])).figures()
    return figures | {f"mia_matched/{key}": getattr(matched, key) for key in FIGURES}


def not_measured(targets: Targets) -> dict[str, str]:
    """The figures of `model_figures` that these sets are too small for -> why."""
    forget, unseen = (len(targets[name]) for name in (FORGET, UNSEEN))
    found: dict[str, str] = {}
    if min(forget, unseen) < SPLITS:
        found |= dict.fromkeys(
            BENCHMARK_ATTACK,
            f"the benchmark's attack needs {SPLITS} forget and {SPLITS} unseen images; there are {forget} and {unseen}",
        )
    if not np.intersect1d(strata_of(targets[FORGET]), strata_of(targets[UNSEEN])).size:
        found |= dict.fromkeys(MATCHED, "no unseen image is of a class that forget images have")
    return found


def _benchmark_attack(forget: np.ndarray, unseen: np.ndarray, accuracy: float) -> dict[str, float]:
    mia = benchmark_mia(forget, unseen)
    return dict(zip(BENCHMARK_ATTACK, (mia, forgetting_score(mia), nomus(accuracy, mia)), strict=True))


def rounded(content: Content) -> Content:
    """The same structure, every float rounded, so that the last bits of a sum do not change the file."""
    result: Content = _rounded(content)
    return result


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return round(content, DECIMALS) + 0.0 if isinstance(content, float) else content


def _check_sets(logits: Logits, targets: Targets) -> None:
    given = [("the targets", targets), *((f"the logits of {model}", sets) for model, sets in logits.items())]
    for where, sets in given:
        missing = [name for name in SETS if name not in sets]
        if missing:
            raise InputError(f"{where} lack the set {missing[0]!r}: {', '.join(SETS)} are needed")


def gaps_to_retrained(models: Mapping[str, Mapping[str, float | None]]) -> dict[str, Figures]:
    """Every figure minus the retrained model's."""
    reference = models.get(RETRAINED)
    if reference is None:
        return {}
    return {
        model: {f"gap/{key}": _difference(value, reference[key]) for key, value in figures.items()}
        for model, figures in models.items()
        if model != RETRAINED
    }


def _difference(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference


def reaching_figures(
    bounds: Mapping[str, Mapping[str, list[float] | None]], *figures: Mapping[str, Mapping[str, float | None]]
) -> dict[str, dict[str, list[float] | None]]:
    """The intervals, each reaching as far as its own figure.

    The benchmark's attack learns and is asked about the same image where a resample holds it twice: its resampled figures
    lean to one side, and NoMUS with them, at times past the figure itself.
    """
    result = {model: dict(found) for model, found in bounds.items()}
    for values in figures:
        for model, found in values.items():
            for key, value in found.items():
                own = result[model].get(key)
                if own is not None and value is not None:
                    result[model][key] = [min(own[0], value), max(own[1], value)]
    return result


def _per_class(logits: Logits, targets: Targets) -> dict[str, dict[str, ClassFigures]]:
    return {model: {name: per_class(sets[name], targets[name]) for name in SETS} for model, sets in logits.items()}
