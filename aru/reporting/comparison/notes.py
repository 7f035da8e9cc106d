"""What must be known about a table before it is believed: computed from its runs, never written beforehand."""

import numpy as np

from aru.comparison.conclusions import Comparison
from aru.comparison.parameter_sets import OTHER, TUNED
from aru.comparison.records import ANCHORS, MACHINE, MEASURED, ORIGINAL, OURS, PLACE, REFERENCE
from aru.methods.registry import METHODS
from aru.reporting.comparison.cells import number, row_name
from aru.stats.bootstrap import COVERAGE
from aru.stats.paired_tests import MIN_UNITS

_SHORT = {
    "test/accuracy": "test accuracy",
    "forget/accuracy": "forget accuracy",
    "mia/forgetting_score": "F",
    "nomus": "NoMUS",
    "mia_matched/auc": "AUC",
}

NO_CHANGE = 0.001
"""Differences to the original's figures below this count as none: training seeds differ by twenty times as much."""


def notes(comparison: Comparison) -> list[str]:
    """Sentences on what is missing, how far intervals and tests can be trusted, and runs that differ in more than method."""
    found = [
        _references(comparison),
        _repetition(comparison),
        _unchanged(comparison),
        _undefined(comparison),
        _incomplete(comparison),
        _failed(comparison),
        _machines(comparison),
        _lent(comparison),
    ]
    return [sentence for part in found for sentence in part]


def floor_text(comparison: Comparison) -> str:
    """The noise floor in a sentence or two; empty where nothing of it is known."""
    floor, parts = comparison.floor, []
    if floor.null_mean is not None and floor.null_p95 is not None:
        parts.append(
            "Where there is nothing to find, chance alone gives a forgetting score of "
            f"{number(floor.null_mean, 'F')} "
            f"on average and up to {number(floor.null_p95, 'F')} in 95 of 100 cases."
        )
    if floor.label_only is not None:
        parts.append(
            f"An attacker who sees nothing but the label reaches a forgetting score of {number(floor.label_only - 0.5, 'F')}."
        )
    deviations = floor.standard_deviation
    known = [f"{_SHORT[name]} {number(one, name)}" for name in MEASURED if (one := deviations[name]) is not None]
    if known:
        parts.append(
            f"Retrained models that differ in the training seed alone have a standard deviation of: {', '.join(known)}."
        )
    return " ".join(parts)


def _references(comparison: Comparison) -> list[str]:
    found = []
    if comparison.row(REFERENCE) is None:
        found.append(
            "No retrained model is among the runs: gaps, the share of retraining's cost, the equivalence test and "
            "the standard deviation of retrained models are not known and stand as a dash."
        )
    if comparison.row(OURS) is None:
        found.append("ARU is not among the runs under its own name: there are no differences to it.")
    return found


def _repetition(comparison: Comparison) -> list[str]:
    seeds = max(row.size[0] for row in comparison.rows)
    draws = max(row.size[1] for row in comparison.rows)
    if seeds < 2 and draws < 2:
        return [
            "One training seed and one forget draw: there is no interval and no test, and this table "
            "distinguishes no two methods; another seed may reverse their order."
        ]
    found = []
    if seeds < 2:
        found.append(
            "One training seed: intervals and tests hold for other forget draws from this original model, not for "
            "another training."
        )
    elif seeds <= max(COVERAGE):
        nearest = max(count for count in COVERAGE if count <= seeds)
        found.append(
            f"{seeds} training seeds: the intervals are too narrow. With {nearest} seeds and one draw, intervals "
            f"of this kind held the truth in {100 * COVERAGE[nearest]:.0f} % of simulated cases instead of 95 %; "
            "p-values account for the number of seeds, the intervals do not."
        )
    if (seeds if seeds > 1 else draws) < MIN_UNITS:
        found.append(f"p-values and the equivalence test need at least {MIN_UNITS} independent units and are left out.")
    return found


def _unchanged(comparison: Comparison) -> list[str]:
    """The methods whose every run has the original's figures: they forgot nothing, at no cost in accuracy."""
    original = comparison.row(ORIGINAL)
    if original is None:
        return []
    theirs = original.runs.groupby(PLACE)[list(MEASURED)].first()
    found = []
    for row in comparison.rows:
        own = row.runs.set_index(PLACE)
        beside = theirs.reindex(own.index)[list(MEASURED)]
        apart = (own[list(MEASURED)] - beside).abs().to_numpy()
        measured = np.isfinite(apart).any(axis=1).all()
        if row.label not in ANCHORS and measured and np.nanmax(apart) < NO_CHANGE:
            found.append(row_name(row.label))
    return (
        [
            f"Changed nothing: {', '.join(found)}. In every run all figures are the original's to within {NO_CHANGE:g}: "
            "its accuracy, and what it remembers."
        ]
        if found
        else []
    )


def _undefined(comparison: Comparison) -> list[str]:
    """The methods that cannot be in a table of several labels an image."""
    tasks = {task for row in comparison.rows for task in row.runs["task"].dropna()}
    if tasks != {"multilabel"}:
        return []
    there = {row.method for row in comparison.rows}
    missing = [name for name, method in METHODS.items() if not method.multilabel and name not in there]
    return [f"Not defined for several labels an image and left out: {', '.join(map(row_name, missing))}."] if missing else []


def _incomplete(comparison: Comparison) -> list[str]:
    places = {row.label: set(map(tuple, row.runs[PLACE].to_numpy().tolist())) for row in comparison.rows}
    whole = set().union(*places.values())
    short = [f"{row_name(label)} {len(own)} of {len(whole)}" for label, own in places.items() if own != whole]
    if not short:
        return []
    return [
        f"Incomplete, in pairs of training seed and draw: {', '.join(short)}. Means are over what is there and not over "
        "the same pairs; paired differences are over the common ones."
    ]


def _failed(comparison: Comparison) -> list[str]:
    failed = [f"{row_name(row.label)} {row.failed} of {len(row.runs)}" for row in comparison.rows if row.failed]
    if not failed:
        return []
    reasons = sorted({reason for row in comparison.rows for reason in row.runs["reason"] if reason})
    return [
        f"Diverged and left out of the means, which flatters the method: {', '.join(failed)}. Reasons: {'; '.join(reasons)}."
    ]


def _machines(comparison: Comparison) -> list[str]:
    kinds = {tuple(map(str, kind)) for row in comparison.rows for kind in row.runs[[*MACHINE, "torch"]].to_numpy().tolist()}
    if len(kinds) < 2:
        return []
    listed = "; ".join(
        f"{device}, {precision}, {threads} threads, torch {torch}" for device, precision, threads, torch in sorted(kinds)
    )
    return [
        f"The runs are of several kinds of machine: {listed}. Seconds are not comparable between them, and a share of "
        "retraining's cost is given on the same kind only."
    ]


def _lent(comparison: Comparison) -> list[str]:
    if comparison.setting["variant"] == TUNED:
        return ["Original and retrained model are those of the defaults: they are what the others are measured by, not tuned."]
    if comparison.setting["variant"] == OTHER:
        return [
            "Every row is one variant of a method; ARU without a bracket is that of the defaults, and differences to it "
            "are what the change in the bracket does."
        ]
    return []
