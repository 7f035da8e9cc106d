"""Names beside the points of a plot, moved about until they do not cover each other, nor the points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

_ANGLES = np.deg2rad([30, -30, 150, -150, 0, 180, 60, -60, 120, -120, 90, -90])
_DISTANCES = (9, 16, 26, 40, 58, 80)  # points
_FONT, _MARGIN = 9, 2.0
_AWAY = 500.0  # square pixels of covered names that a pixel outside the axes weighs


@dataclass(frozen=True)
class Label:
    """A name for the point (across, up), whose bars (low, high) are to stay visible; data units."""

    across: float
    up: float
    name: str
    bold: bool = False
    bar_across: tuple[float, float] | None = None
    bar_up: tuple[float, float] | None = None


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label], *, ink: str, line: str) -> None:
    """Write each name beside its point, with a thin line to it where it had to move away.

    Greedy: every label, from the top down, takes the first place that covers nothing, else the one that covers least.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the layout must be final before pixels are measured
    figure.set_layout_engine("none")
    renderer, scale = canvas.get_renderer(), figure.dpi / 72
    frame = axes.get_window_extent(renderer)
    anchors = axes.transData.transform([(label.across, label.up) for label in labels])
    taken = [_box(x, y, 10 * scale, 10 * scale) for x, y in anchors] + _bars(axes, labels)
    for number in np.argsort(-anchors[:, 1], kind="stable"):
        label = labels[number]
        text = axes.annotate(
            label.name,
            (label.across, label.up),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_FONT,
            fontweight="bold" if label.bold else "normal",
            color=ink,
            zorder=5,
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
        )
        extent = text.get_window_extent(renderer)
        width, height = extent.width + 2 * _MARGIN * scale, extent.height + _MARGIN * scale
        best = min(
            _candidates(anchors[number], width, height, scale),
            key=lambda box: (_overlap(box, taken) + _AWAY * _outside(box, frame), box[4]),
        )
        taken.append(best[:4])
        centre = np.array([(best[0] + best[2]) / 2, (best[1] + best[3]) / 2])
        text.set_position((centre - anchors[number]) / scale)
        if best[4] > _DISTANCES[0]:
            nearest = np.clip(anchors[number], best[:2], best[2:4])
            axes.annotate(
                "",
                (label.across, label.up),
                xytext=(nearest - anchors[number]) / scale,
                textcoords="offset points",
                zorder=2.5,
                arrowprops={"arrowstyle": "-", "color": line, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3},
            )


def _candidates(anchor: np.ndarray, width: float, height: float, scale: float) -> list[tuple[float, ...]]:
    """Boxes (left, bottom, right, top, distance in points) around a point, the nearest first."""
    found = []
    for distance in _DISTANCES:
        for angle in _ANGLES:
            across, up = np.cos(angle), np.sin(angle)
            x = anchor[0] + across * (distance * scale + width / 2)
            y = anchor[1] + up * (distance * scale + height / 2)
            found.append((*_box(x, y, width, height), distance))
    return found


def _bars(axes: Axes, labels: Sequence[Label]) -> list[tuple[float, ...]]:
    """The bars as boxes a few pixels wide."""
    found: list[tuple[float, ...]] = []
    for label in labels:
        across = [(edge, label.up) for edge in label.bar_across or ()]
        up = [(label.across, edge) for edge in label.bar_up or ()]
        for pair in filter(None, (across, up)):
            (left, bottom), (right, top) = axes.transData.transform(pair)
            found.append((left - 1, bottom - 1, right + 1, top + 1))
    return found


def _box(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(box: tuple[float, ...], taken: Sequence[tuple[float, ...]]) -> float:
    """The area that a box shares with those taken, in square pixels."""
    others = np.array(taken)
    across = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    up = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return float((np.maximum(across, 0) * np.maximum(up, 0)).sum())


def _outside(box: tuple[float, ...], frame: Bbox) -> float:
    """How far a box reaches out of the axes, in pixels."""
    return max(0.0, frame.x0 - box[0], box[2] - frame.x1) + max(0.0, frame.y0 - box[1], box[3] - frame.y1)
