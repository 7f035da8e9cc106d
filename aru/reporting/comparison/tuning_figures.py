"""What tuning bought: every method's best score so far, against trials and against CPU seconds."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aru.reporting.figure_style import INK, MODEL_COLOURS, write_png

_COLUMNS = 4
_AXES = {"trials": "trials", "seconds": "CPU seconds spent"}
_NO_SCORE = "#8A8A8A"

Curves = Mapping[str, Sequence[Mapping[str, Any]]]
"""Method -> rows of `aru.comparison.tuning.curve`."""


def budget_curves(curves: Curves, against: str) -> Figure:
    """A panel a method, all on one scale: the best score so far, each trial's own, and trials without one at the foot.

    `against` is ``"trials"`` or ``"seconds"``.
    """
    columns = min(_COLUMNS, len(curves))
    rows = ceil(len(curves) / columns)
    figure = Figure(figsize=(10.5, 2.1 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat)
    scores = [row["score"] for method in curves.values() for row in method if row["score"] is not None]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    margin = 0.08 * (high - low) or 0.05
    for axes, (name, method) in zip(panels, curves.items(), strict=False):
        _panel(axes, name, method, against, foot=low - margin)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    panels[0].set_xlim(left=0)
    panels[0].set_ylim(low - 2 * margin, high + margin)
    figure.supxlabel(_AXES[against], fontsize=10, color=INK)
    figure.supylabel("score on the tuning people", fontsize=10, color=INK)
    return figure


def write_tuning_figures(folder: Path, curves: Curves) -> dict[str, Path]:
    """Draw both figures into `folder`; result: what they are drawn against -> PNG file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {against: folder / f"tuning_{against}.png" for against in _AXES} if curves else {}
    for against, path in paths.items():
        write_png(partial(budget_curves, curves, against), path)
    return paths


def _panel(axes: Axes, name: str, rows: Sequence[Mapping[str, Any]], against: str, *, foot: float) -> None:
    places = [row["trial"] + 1 if against == "trials" else row["spent_cpu_seconds"] for row in rows]
    colour = MODEL_COLOURS["unlearned"]
    scored = [(place, row["score"]) for place, row in zip(places, rows, strict=True) if row["score"] is not None]
    lost = [place for place, row in zip(places, rows, strict=True) if row["score"] is None]
    leading = [(place, row["best"]) for place, row in zip(places, rows, strict=True) if row["best"] is not None]
    if leading:
        axes.plot(*zip(*leading, strict=True), drawstyle="steps-post", color=colour)
        axes.plot(*zip(*scored, strict=True), "o", color=colour, markersize=3, alpha=0.5)
    axes.plot(lost, [foot] * len(lost), "x", color=_NO_SCORE, markersize=4)
    axes.set_title(name, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=against == "trials"))
