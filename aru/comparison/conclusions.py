"""What may be said about a table of methods: means with intervals, paired differences, equivalence, the noise floor."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from aru.comparison.records import ANCHORS, FLOORS, MEASURED, OURS, PLACE, REFERENCE, records_table, tables
from aru.stats.bootstrap import Estimate, Place, estimate
from aru.stats.paired_tests import Difference, Equivalence, difference, equivalence, holm

FIGURES = (*MEASURED, "gap/test/accuracy", "gap/mia_matched/auc", "seconds", "share")
TESTED = ("test/accuracy", "mia/forgetting_score", "nomus", "mia_matched/auc")
BASELINES = (REFERENCE, OURS)


@dataclass(frozen=True)
class Row:
    """One method: its runs, its figures (None where not known), and its differences by baseline and figure.

    label is the method's name, with the variant where the table holds several of them.
    """

    label: str
    method: str
    runs: pd.DataFrame
    figures: Mapping[str, Estimate | None]
    against: Mapping[str, Mapping[str, Difference]]
    equivalence: Equivalence | None

    @property
    def size(self) -> tuple[int, int, int]:
        """Training seeds, forget draws, and the most unlearning seeds that any of their pairs has."""
        return (self.runs["train_seed"].nunique(), self.runs["draw"].nunique(), int(self.runs.groupby(PLACE).size().max()))

    @property
    def failed(self) -> int:
        """Runs that diverged; the figures are of the others."""
        return int(self.runs["failed"].sum())


@dataclass(frozen=True)
class Floor:
    """What chance gives: F where there is nothing to find, and how much retrained models of different seeds differ.

    null_mean, null_p95: of the forgetting score; label_only: accuracy of an attack that sees the label alone; all are means
    over draws. standard_deviation: the standard deviation over training seeds within a draw, pooled over draws, by figure.
    """

    null_mean: float | None
    null_p95: float | None
    label_only: float | None
    standard_deviation: Mapping[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """One table: benchmark, model, resolution, protocol, variant; the rows in reading order; the floor."""

    setting: Mapping[str, Any]
    rows: tuple[Row, ...]
    floor: Floor

    def row(self, label: str) -> Row | None:
        """The row of this label, None where it was not run."""
        return next((row for row in self.rows if row.label == label), None)


def compare(records: Iterable[Mapping[str, Any]]) -> list[Comparison]:
    """A comparison for every benchmark, model, resolution and protocol among the records, and for every table of these.

    Rows: the original, the retrained model, then by falling mean NoMUS. Raises InputError as `records_table` does.
    """
    return [Comparison(setting, _rows(frame), noise_floor(frame)) for setting, frame in tables(records_table(records))]


def noise_floor(frame: pd.DataFrame) -> Floor:
    """The floor of one table's runs; a standard deviation is None with fewer than two retrained seeds in every draw."""
    null = {name: _known(frame.groupby("draw")[name].mean().mean()) for name in FLOORS}
    retrained = frame[frame["label"] == REFERENCE]
    return Floor(
        null[FLOORS[0]], null[FLOORS[1]], null[FLOORS[2]], {name: _pooled_deviation(retrained, name) for name in MEASURED}
    )


def _rows(frame: pd.DataFrame) -> tuple[Row, ...]:
    runs = {str(label): part for label, part in frame.groupby("label", sort=True)}
    cells = {label: {name: _cells(part, name) for name in TESTED} for label, part in runs.items()}
    against: dict[str, dict[str, dict[str, Difference]]] = {label: {} for label in runs}
    for baseline in (name for name in BASELINES if name in runs):
        for name in TESTED:
            for label, found in _family(cells, baseline, name).items():
                against[label].setdefault(baseline, {})[name] = found
    rows = [
        Row(
            label,
            str(part["method"].iloc[0]),
            part,
            {name: _figure(part, name) for name in FIGURES},
            against[label],
            _equivalence(cells, label),
        )
        for label, part in runs.items()
    ]
    return tuple(sorted(rows, key=_reading_order))


def _family(cells: Mapping[str, Mapping[str, dict[Place, float]]], baseline: str, name: str) -> dict[str, Difference]:
    """All methods' differences to one baseline in one figure: the family that Holm's correction is over."""
    found = {label: difference(values[name], cells[baseline][name]) for label, values in cells.items() if label != baseline}
    kept = {label: one for label, one in found.items() if one is not None}
    adjusted = holm([one.p for one in kept.values()])
    return {label: replace(one, holm=p) for (label, one), p in zip(kept.items(), adjusted, strict=True)}


def _equivalence(cells: Mapping[str, Mapping[str, dict[Place, float]]], label: str) -> Equivalence | None:
    if label == REFERENCE or REFERENCE not in cells:
        return None
    ours, theirs = (cells[one]["test/accuracy"] for one in (label, REFERENCE))
    return equivalence({place: ours[place] - theirs[place] for place in sorted(ours.keys() & theirs.keys())})


def _cells(part: pd.DataFrame, name: str) -> dict[Place, float]:
    """The mean over unlearning seeds at every place where the figure is known."""
    means = part.groupby(PLACE)[name].mean().dropna()
    seeds, draws = (means.index.get_level_values(level) for level in PLACE)
    return {(int(seed), int(draw)): float(value) for seed, draw, value in zip(seeds, draws, means, strict=True)}


def _figure(part: pd.DataFrame, name: str) -> Estimate | None:
    known = part[part[name].notna()]
    if known.empty:
        return None
    places = [(int(seed), int(draw)) for seed, draw in zip(known["train_seed"], known["draw"], strict=True)]
    return estimate(known[name].tolist(), places)


def _pooled_deviation(retrained: pd.DataFrame, name: str) -> float | None:
    cells = pd.Series(_cells(retrained, name), dtype=float)
    if cells.empty:
        return None
    draws = cells.groupby(level=1)
    inner = draws.var(ddof=1)
    weights = (draws.size() - 1)[inner.notna()]
    if weights.empty:
        return None
    return float(np.sqrt((inner.dropna() * weights).sum() / weights.sum()))


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _reading_order(row: Row) -> tuple[int, float, str]:
    nomus = row.figures["nomus"]
    anchor = ANCHORS.index(row.label) if row.label in ANCHORS else len(ANCHORS)
    return anchor, -nomus.mean if nomus else math.inf, row.label
