"""The plots of a comparison: utility against forgetting score, and cost against NoMUS, with the noise floor in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from aru.comparison.conclusions import Comparison, Row
from aru.comparison.records import ORIGINAL, OURS, REFERENCE
from aru.methods.registry import CONTROLS
from aru.reporting.comparison.cells import lines
from aru.reporting.comparison.label_placement import Label, place_labels
from aru.reporting.figure_style import INK, MODEL_COLOURS, STYLE
from aru.stats.bootstrap import Estimate

PEER, CONTROL, BAND = "#7A5195", "#8A8A8A", "#E4E4E4"
SIZE = (7.8, 5.8)


@dataclass(frozen=True)
class _Point:
    name: str
    row: Row
    across: Estimate
    up: Estimate


def utility_figure(comparison: Comparison) -> Figure | None:
    """Test accuracy (across) against the forgetting score (up), with intervals and what chance gives; None without a point."""
    points = _points(comparison, "test/accuracy", "mia/forgetting_score")
    if not points:
        return None
    figure, axes = _axes("test accuracy", "forgetting score F")
    if comparison.floor.null_p95 is not None:
        axes.axhspan(0, comparison.floor.null_p95, color=BAND, zorder=0)
    reference, deviation = comparison.row(REFERENCE), comparison.floor.standard_deviation["test/accuracy"]
    if reference is not None and (accuracy := reference.figures["test/accuracy"]) is not None:
        axes.axvline(accuracy.mean, color=MODEL_COLOURS["retrained"], linewidth=1, linestyle=(0, (1.2, 1.6)), zorder=1)
        if deviation is not None:
            axes.axvspan(
                accuracy.mean - deviation, accuracy.mean + deviation, color=MODEL_COLOURS["retrained"], alpha=0.1, zorder=0
            )
    _draw(axes, points)
    axes.set_ylim(bottom=0)
    return _labelled(figure, axes, points)


def cost_figure(comparison: Comparison) -> Figure | None:
    """Share of retraining's cost (across, logarithmic) against NoMUS (up), with the two references; None without a point."""
    points = [
        point for point in _points(comparison, "share", "nomus") if point.across.mean > 0 and point.row.label != ORIGINAL
    ]
    if not points:
        return None
    figure, axes = _axes("cost, as a share of retraining's", "NoMUS")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    reference, deviation = comparison.row(REFERENCE), comparison.floor.standard_deviation["nomus"]
    if reference is not None and (nomus := reference.figures["nomus"]) is not None:
        axes.axhline(nomus.mean, color=MODEL_COLOURS["retrained"], linewidth=1, linestyle=(0, (1.2, 1.6)), zorder=1)
        if deviation is not None:
            axes.axhspan(nomus.mean - deviation, nomus.mean + deviation, color=MODEL_COLOURS["retrained"], alpha=0.1, zorder=0)
    original = comparison.row(ORIGINAL)
    if original is not None and (nomus := original.figures["nomus"]) is not None:
        axes.axhline(nomus.mean, color=MODEL_COLOURS["original"], linewidth=1, linestyle=(0, (5, 2)), zorder=1)
    _draw(axes, points)
    return _labelled(figure, axes, points)


def write_plots(comparison: Comparison, folder: Path, name: str) -> dict[str, Path]:
    """Draw both plots into `folder`, which has to exist; a plot without a point is left out. Result: kind -> PNG file."""
    drawings = {"utility": utility_figure, "cost": cost_figure}
    paths = {}
    with matplotlib.rc_context(STYLE):
        for kind, draw in drawings.items():
            figure = draw(comparison)
            if figure is not None:
                paths[kind] = folder / f"{name}-{kind}.png"
                figure.savefig(paths[kind], format="png", metadata={"Software": None})
    return paths


def colour(row: Row) -> str:
    """By what a row is: original, retrained, ARU, a control, or a peer."""
    known = {ORIGINAL: "original", REFERENCE: "retrained", OURS: "unlearned"}
    if row.method in known:
        return MODEL_COLOURS[known[row.method]]
    return CONTROL if row.method in CONTROLS else PEER


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=across, ylabel=up)
    return figure, axes


def _points(comparison: Comparison, across: str, up: str) -> list[_Point]:
    """The rows that have both figures, by name, or by number where the table numbers its rows."""
    found = []
    for line in lines(comparison):
        x, y = line.row.figures[across], line.row.figures[up]
        if x is not None and y is not None:
            found.append(_Point(line.name if line.number is None else str(line.number), line.row, x, y))
    return found


def _draw(axes: Axes, points: Sequence[_Point]) -> None:
    for point in points:
        paint, order = colour(point.row), 4 if point.row.label == OURS else 3
        axes.errorbar(
            point.across.mean,
            point.up.mean,
            xerr=_arms(point.across),
            yerr=_arms(point.up),
            fmt="none",
            ecolor=paint,
            elinewidth=0.9,
            alpha=0.45,
            zorder=2,
        )
        axes.plot(
            point.across.mean,
            point.up.mean,
            "o",
            color=paint,
            markersize=8 if point.row.label == OURS else 6,
            markeredgecolor="white",
            markeredgewidth=0.8,
            zorder=order,
        )


def _arms(found: Estimate) -> list[list[float]] | None:
    if found.interval is None:
        return None
    low, high = found.interval
    return [[max(0.0, found.mean - low)], [max(0.0, high - found.mean)]]


def _labelled(figure: Figure, axes: Axes, points: Sequence[_Point]) -> Figure:
    labels = [
        Label(point.across.mean, point.up.mean, point.name, point.row.label == OURS, point.across.interval, point.up.interval)
        for point in points
    ]
    place_labels(figure, axes, labels, ink=INK, line=CONTROL)
    return figure
