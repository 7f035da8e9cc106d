"""Who else was hurt: retained people, the forgotten people's families, and subgroups by label.

A request changes the answers to people who asked for nothing. An average over all of them hides the few on whom it
falls.
"""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import pandas as pd
import torch

from aru.core.errors import InputError
from aru.core.names import ORIGINAL, RETAIN, RETRAINED, UNLEARNED, UNSEEN
from aru.metrics.membership.matched import strata_of
from aru.metrics.people.bystander_exposure import BystanderExposure, exposure_figures
from aru.metrics.people.subgroups import ALL, FAMILIES, OTHERS, Bystanders, find_bystanders, group_means
from aru.metrics.utility import per_example_loss, utility_columns
from aru.stats.intervals import draw_counts
from aru.stats.simultaneous import simultaneous_intervals

MINIMUM_PEOPLE = 5
MODEL = UNLEARNED
REFERENCES: tuple[str, ...] = (RETRAINED, ORIGINAL)
WORSE = {"accuracy": -1, "loss": 1}
"""Figures, and the sign of a change for the worse."""

Logits = Mapping[str, Mapping[str, torch.Tensor]]
Targets = Mapping[str, torch.Tensor]


class Group(TypedDict):
    """A subgroup: its size, and model -> figure; None without images."""

    people: int
    images: int
    models: dict[str, dict[str, float | None]]


class Difference(TypedDict):
    """Unlearned minus reference, and its interval; None for a group of too few people."""

    difference: float | None
    interval: list[float] | None


class Worst(Difference):
    """The subgroup that changed most for the worse."""

    group: str
    excludes_zero: bool


class BystanderFigures(TypedDict):
    """Who else was hurt, in figures: see `bystanders`."""

    set: str
    minimum_people: int
    images_of_forgotten_people: int
    groups: dict[str, Group]
    differences: dict[str, dict[str, dict[str, Difference]]]
    worst: dict[str, dict[str, Worst | None]]
    exposure: BystanderExposure | None


def bystanders(
    logits: Logits,
    targets: Targets,
    manifest: pd.DataFrame,
    *,
    resamples: int,
    seed: int,
    role: str = RETAIN,
    minimum_people: int = MINIMUM_PEOPLE,
) -> BystanderFigures:
    """Accuracy and loss by subgroup and model, and how unlearned differs from retrained and from original.

    Shape: logits[model][set] (M, C) and targets[set] (M,), or (M, L), in the manifest's order, for the set `role` and,
    where that is retain, unseen; models `unlearned` and one or both of `original` and `retrained`. Subgroups: see
    `find_bystanders`.

    `differences[reference][figure][group]` is unlearned minus reference. Its intervals are over people and hold together
    for all groups of one reference and figure. Groups of fewer than `minimum_people` people, 2 at least, are counted and
    described, but have no interval and no rank. `worst[reference][figure]` names the subgroup that changed most for the
    worse, and whether its interval `excludes_zero`; it is None where none did. `exposure`, of the retain set
    only: how easily a loss attack tells bystanders from unseen people of the same class, and whether unlearning
    raised it, for all of them and for the families, where there are enough.
    """
    references = tuple(name for name in REFERENCES if name in logits)
    _check(logits, targets, manifest, references, role, minimum_people)
    found = find_bystanders(manifest, role)
    people = {name: found.people(name) for name in found.groups}
    draws = draw_counts(people[ALL], None, resamples=resamples, rng=np.random.default_rng([seed, 0]))
    values = {
        model: {
            figure: group_means(column[found.kept], found, draws)
            for figure, column in utility_columns(logits[model][role], targets[role]).means.items()
            if figure in WORSE
        }
        for model in (MODEL, *references)
    }
    differences = {
        reference: {
            figure: _differences(values[MODEL][figure] - values[reference][figure], people, minimum_people) for figure in WORSE
        }
        for reference in references
    }
    exposed = {name: found.groups[name] for name in (ALL, FAMILIES) if people[name] >= minimum_people}
    return {
        "set": role,
        "minimum_people": minimum_people,
        "images_of_forgotten_people": int((~found.kept).sum()),
        "groups": {
            name: {
                "people": people[name],
                "images": int(chosen.sum()),
                "models": {
                    model: {key: _number(value[0, place]) for key, value in figures.items()}
                    for model, figures in values.items()
                },
            }
            for place, (name, chosen) in enumerate(found.groups.items())
        },
        "differences": differences,
        "worst": {
            reference: {figure: _worst(groups, WORSE[figure]) for figure, groups in figures.items()}
            for reference, figures in differences.items()
        },
        "exposure": _exposure(logits, targets, manifest, found, exposed, references, resamples, seed)
        if role == "retain" and exposed
        else None,
    }


def _differences(values: np.ndarray, people: Mapping[str, int], minimum_people: int) -> dict[str, Difference]:
    """Shape: values (1 + R, G). The interval is None for a group of too few people."""
    sizes = np.array(list(people.values()))
    ranked = np.flatnonzero(sizes >= minimum_people)
    bounds = np.full((len(sizes), 2), np.nan)
    if ranked.size:
        bounds[ranked] = simultaneous_intervals(values[0, ranked], values[1:, ranked], sizes[ranked])
    return {
        name: {
            "difference": _number(values[0, place]),
            "interval": bounds[place].tolist() if place in ranked else None,
        }
        for place, name in enumerate(people)
    }


def _worst(groups: Mapping[str, Difference], sign: int) -> Worst | None:
    """The subgroup, of enough people, with the largest change for the worse."""
    worst: Worst | None = None
    largest = 0.0
    for name, one in groups.items():
        change, bounds = one["difference"], one["interval"]
        if change is None or bounds is None or name in (ALL, OTHERS) or sign * change <= largest:
            continue
        largest, worst = sign * change, {"group": name, **one, "excludes_zero": not bounds[0] <= 0 <= bounds[1]}
    return worst


def _exposure(
    logits: Logits,
    targets: Targets,
    manifest: pd.DataFrame,
    found: Bystanders,
    exposed: Mapping[str, np.ndarray],
    references: tuple[str, ...],
    resamples: int,
    seed: int,
) -> BystanderExposure:
    models = (MODEL, *references)
    retained, unseen = (
        {model: per_example_loss(logits[model][role], targets[role]) for model in models} for role in (RETAIN, UNSEEN)
    )
    strata = strata_of(targets[RETAIN])[found.kept], strata_of(targets[UNSEEN])
    return exposure_figures(
        {model: losses[found.kept] for model, losses in retained.items()},
        unseen,
        strata,
        (found.person, _subjects(manifest, UNSEEN)),
        {name: chosen for name, chosen in exposed.items() if np.isin(strata[0][chosen], strata[1]).any()},
        model=MODEL,
        references=references,
        resamples=resamples,
        seed=seed,
    )


def _subjects(manifest: pd.DataFrame, role: str) -> np.ndarray:
    return manifest["subject"].to_numpy(dtype=str)[(manifest["role"] == role).to_numpy()]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _check(
    logits: Logits, targets: Targets, manifest: pd.DataFrame, references: tuple[str, ...], role: str, minimum_people: int
) -> None:
    if MODEL not in logits or not references:
        given = ", ".join(sorted(logits)) or "none"
        raise InputError(f"the models given are {given}: {MODEL!r} and one or both of {', '.join(REFERENCES)} are needed")
    if minimum_people < 2:
        raise InputError(f"minimum_people is {minimum_people}: an interval over people needs two or more")
    for name in (RETAIN, UNSEEN) if role == RETAIN else (role,):
        rows = int((manifest["role"] == name).sum())
        for where, sets in (("targets", targets), *((model, logits[model]) for model in (MODEL, *references))):
            if name not in sets or len(sets[name]) != rows:
                count = len(sets[name]) if name in sets else 0
                raise InputError(
                    f"{where}: {count} rows of the set {name!r}, the manifest has {rows}: give one a row of the "
                    "manifest, in its order"
                )
