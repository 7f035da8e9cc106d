"""Names beside the points of a plot, moved about until they do not cover each other, nor the points."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

_ANGLES = np.deg2rad([0, 180, 30, -30, 150, -150, 90, -90, 60, -60, 120, -120])
_DISTANCES = (9, 16, 26, 40, 58, 80)  # points
_FONT, _MARGIN = 8.5, 2.0


def place_labels(figure: Figure, axes: Axes, texts: Sequence[tuple[float, float, str, bool]], *, ink: str, line: str) -> None:
    """Write each name beside its (across, up, name, bold) in data units, with a thin line to it where it had to move away.

    Greedy: every label, from the top down, takes the first place that covers nothing, else the one that covers least.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the layout must be final before pixels are measured
    figure.set_layout_engine("none")
    renderer, scale = canvas.get_renderer(), figure.dpi / 72
    frame = axes.get_window_extent(renderer)
    anchors = axes.transData.transform([(x, y) for x, y, _, _ in texts]) if texts else np.empty((0, 2))
    taken = [_box(x, y, 10 * scale, 10 * scale) for x, y in anchors]
    for number in np.argsort(-anchors[:, 1], kind="stable") if len(anchors) else []:
        x, y, name, bold = texts[number]
        label = axes.annotate(name, (x, y), xytext=(0, 0), textcoords="offset points", ha="center", va="center",
                              fontsize=_FONT, fontweight="bold" if bold else "normal", color=ink, zorder=5)
        extent = label.get_window_extent(renderer)
        width, height = extent.width + 2 * _MARGIN * scale, extent.height + _MARGIN * scale
        best = min(_candidates(anchors[number], width, height, scale),
                   key=lambda box: (_overlap(box, taken) + 10 * _outside(box, frame), box[4]))
        taken.append(best[:4])
        centre = np.array([(best[0] + best[2]) / 2, (best[1] + best[3]) / 2])
        label.set_position((centre - anchors[number]) / scale)
        if best[4] > _DISTANCES[0]:
            nearest = np.clip(anchors[number], best[:2], best[2:4])
            axes.annotate("", (x, y), xytext=(nearest - anchors[number]) / scale, textcoords="offset points", zorder=2.5,
                          arrowprops={"arrowstyle": "-", "color": line, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3})


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
