"""What all figures share: colours, line styles, fonts, and how a figure becomes a PNG file.

Colours are those of Okabe and Ito, which colour-blind readers can distinguish. The PNG files carry neither date nor
version, so the same numbers give the same bytes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib
from matplotlib.figure import Figure

MODEL_COLOURS = {"original": "#D55E00", "unlearned": "#0072B2", "retrained": "#009E73"}
MODEL_DASHES = {"original": (0, (5, 1.5)), "unlearned": "solid", "retrained": (0, (1.2, 1.2))}
INK, FAINT = "#333333", "#D9D9D9"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
}


def write_png(draw: Callable[[], Figure], path: Path | BinaryIO) -> None:
    """Write the figure that `draw` makes, drawn in `STYLE`; pyplot's state and the process's style stay as they are."""
    with matplotlib.rc_context(STYLE):
        draw().savefig(path, format="png", metadata={"Software": None})
