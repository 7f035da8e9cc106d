"""How far an unlearned model is from retraining in what it answers: signed gaps, tug of war, divergence, agreement.

Two models retrained with other seeds differ too. Where several are given, every distance between the unlearned and
the retrained stands beside the same distance between two retrained ones: nothing can be asked to come nearer.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TypedDict

import numpy as np
import torch
from torch.nn import functional as F

from aru.core.errors import InputError
from aru.core.names import FORGET, RETAIN, SETS, UNSEEN
from aru.metrics.resampling import draw_sets
from aru.metrics.utility import check_logits, per_example_loss, utility_columns
from aru.stats.intervals import Estimate, interval

GAPS = ("forget/accuracy", "retain/accuracy", "test/accuracy", "forget/mia_rate")

Logits = Mapping[str, torch.Tensor]
Figures = dict[str, np.ndarray]  # name -> (1 + resamples,), the figure itself first


class Distances(TypedDict):
    """Figures by name: of the unlearned model, of pairs of retrained models, and the difference of the two."""

    retrained_models: int
    unlearned: dict[str, Estimate]
    between_retrained: dict[str, Estimate] | None
    beyond_retrained: dict[str, Estimate] | None


def distance(
    unlearned: Logits,
    retrained: Sequence[Logits],
    targets: Logits,
    *,
    groups: Mapping[str, np.ndarray] | None,
    resamples: int,
    seed: int,
) -> Distances:
    """Distances of one unlearned model to the retrained models, averaged over them, with intervals over people.

    Shape: unlearned[set] and retrained[i][set] (M, C), targets[set] (M,), or (M, L) throughout, for forget, retain,
    test and unseen; groups[set] (M,), the subject of every image. Result: `unlearned` has `gap/...` (unlearned minus
    retrained, of the accuracies and of `mia_rate`), `tow`, `tow_mia` and for every set `SET/js` and `SET/agreement`;
    `between_retrained` has the same without gaps over all pairs of retrained models, and `beyond_retrained` the
    difference of the two; both are None with a single retrained model. Each is name -> (`figure`, `interval`).

    tow = (1 - |d forget|) (1 - |d retain|) (1 - |d test|), d the gaps of accuracy, in [0, 1], 1 is best; tow_mia has
    the gap of `mia_rate` for that of the forget accuracy (Zhao et al. 2024, arXiv 2406.01257, section 3). Near its
    best value tow can only be resampled downwards: there the intervals of the signed gaps are the ones to read.
    """
    if not retrained:
        raise InputError("no retrained model was given: there is no distance without a reference; give one or more")
    for model in (unlearned, *retrained):
        _check(model, targets)
    draws = draw_sets({name: targets[name] for name in SETS}, groups, resamples=resamples, seed=seed)
    weights = {name: np.vstack((np.ones(counts.shape[1]), counts)) for name, counts in draws.items()}
    rates = [_rates(model, targets, weights) for model in (unlearned, *retrained)]
    models = [unlearned, *retrained]
    ours = _mean(_pair(models, rates, (0, other), targets, weights) for other in range(1, len(models)))
    gaps = {f"gap/{key}": rates[0][key] - np.mean([one[key] for one in rates[1:]], axis=0) for key in GAPS}
    pairs = list(combinations(range(1, len(models)), 2))
    between = _mean(_pair(models, rates, pair, targets, weights) for pair in pairs) if pairs else None
    return {
        "retrained_models": len(retrained),
        "unlearned": _with_intervals(gaps | ours),
        "between_retrained": _with_intervals(between) if between else None,
        "beyond_retrained": _with_intervals({key: ours[key] - between[key] for key in ours}) if between else None,
    }


def tow(gaps: Iterable[np.ndarray]) -> np.ndarray:
    """Product of 1 - |gap|, in [0, 1] for gaps of shares (Zhao et al. 2024, section 3)."""
    return np.prod([1 - np.abs(gap) for gap in gaps], axis=0)


def js_divergence(one: torch.Tensor, other: torch.Tensor, *, multi_label: bool) -> np.ndarray:
    """Jensen-Shannon divergence of two models' answers to every image, in [0, ln 2] nats.

    Shape: logits (M, C), or (M, L) for labels that are answered apart, whose divergences are averaged; result (M,).
    """
    first, second = (_log_probabilities(logits, multi_label) for logits in (one, other))
    middle = torch.logaddexp(first, second) - np.log(2)
    terms = (first.exp() * (first - middle) + second.exp() * (second - middle)).sum(dim=2) / 2
    return terms.mean(dim=1).clamp(0, np.log(2)).numpy()


def agreement(one: torch.Tensor, other: torch.Tensor, *, multi_label: bool) -> np.ndarray:
    """Whether two models answer an image alike: 0 or 1, or the share of labels. Shape: as `js_divergence`."""
    first, second = (_log_probabilities(logits, multi_label).argmax(dim=2) for logits in (one, other))
    return (first == second).double().mean(dim=1).numpy()


def mia_rate(losses: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Share of forget images that a loss attack takes for unseen ones, in [0, 1], under each row of weights.

    The attack is trained as Zhao et al. (2024) train theirs, on retain against other images, here with the one
    threshold of the best balanced accuracy in place of a support vector machine on one feature, and then asked about
    the forget images; `unseen` stands for the other images. Shape: losses[set] (M,), weights[set] (R, M); (R,).
    """
    sample = np.concatenate((losses[RETAIN], losses[UNSEEN]))
    order = np.argsort(sample, kind="stable")
    last = np.append(np.diff(sample[order]) > 0, True)  # a threshold parts different losses only
    cuts = np.append(-np.inf, sample[order][last])
    rates = np.empty(len(weights[FORGET]))
    for row, counts in enumerate(zip(weights[RETAIN], weights[UNSEEN], weights[FORGET], strict=True)):
        retain, unseen, forget = (count / count.sum() for count in counts)
        won = np.concatenate((retain, -unseen))[order].cumsum()[last]
        threshold = cuts[np.append(0, won).argmax()]
        rates[row] = forget[losses[FORGET] > threshold].sum()
    return rates


def _rates(model: Logits, targets: Logits, weights: Mapping[str, np.ndarray]) -> Figures:
    """The figures of one model that gaps are made of."""
    accuracies = {name: utility_columns(model[name], targets[name]).means["accuracy"] for name in SETS}
    rates = {f"{name}/accuracy": _weighted(column, weights[name]) for name, column in accuracies.items()}
    losses: dict[str, np.ndarray] = {name: per_example_loss(model[name], targets[name]) for name in SETS}
    return rates | {"forget/mia_rate": mia_rate(losses, weights)}


def _pair(
    models: Sequence[Logits],
    rates: Sequence[Figures],
    pair: tuple[int, int],
    targets: Logits,
    weights: Mapping[str, np.ndarray],
) -> Figures:
    one, other = pair
    gap = {key: rates[one][key] - rates[other][key] for key in GAPS}
    kept = [gap["retain/accuracy"], gap["test/accuracy"]]
    figures = {"tow": tow([gap["forget/accuracy"], *kept]), "tow_mia": tow([gap["forget/mia_rate"], *kept])}
    for name in SETS:
        for key, column in (("js", js_divergence), ("agreement", agreement)):
            values = column(models[one][name], models[other][name], multi_label=targets[name].dim() == 2)
            figures[f"{name}/{key}"] = _weighted(values, weights[name])
    return figures


def _log_probabilities(logits: torch.Tensor, multi_label: bool) -> torch.Tensor:
    """Shape: (M, 1, C), or (M, L, 2) for labels."""
    logits = logits.detach().cpu().double()
    if multi_label:
        return torch.stack((F.logsigmoid(-logits), F.logsigmoid(logits)), dim=2)
    return logits.log_softmax(dim=1)[:, None]


def _weighted(column: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ column / weights.sum(axis=1)


def _mean(figures: Iterable[Figures]) -> Figures:
    figures = list(figures)
    return {key: np.mean([one[key] for one in figures], axis=0) for key in figures[0]}


def _with_intervals(figures: Figures) -> dict[str, Estimate]:
    return {key: {"figure": float(values[0]), "interval": interval(values[1:])} for key, values in figures.items()}


def _check(model: Logits, targets: Logits) -> None:
    for name in SETS:
        if name not in model or name not in targets:
            raise InputError(f"the set {name!r} is missing: {', '.join(SETS)} are needed of every model and of the targets")
        check_logits(model[name], targets[name])
