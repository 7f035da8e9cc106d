"""The figures of released batches as curves: how accuracy drifts, and what is known again of those forgotten earlier."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aru.core.names import RETAIN, TEST, UNSEEN
from flows.requests.processing.rechecking import BatchFigures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DASHES = {RETAIN: "solid", TEST: "dashed", UNSEEN: "dotted"}
_LIMIT_COLOUR = "#D55E00"


def draw_curves(batches: Sequence[BatchFigures]) -> "Figure":
    """Accuracy above; below the AUC of the loss with its 95 % band, and the limit. One batch or more, in their order."""
    import numpy as np
    from matplotlib.figure import Figure

    numbers = np.arange(1, len(batches) + 1)
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for name, dash in _DASHES.items():
        values = [one["accuracy"][name] for one in batches]
        above.plot(numbers, values, linestyle=dash, marker="o", markersize=3, label=name)
    above.set_ylabel("accuracy")
    above.legend()
    known = [
        (number, one["earlier"]) for number, one in zip(numbers, batches, strict=True) if one["earlier"]["auc"] is not None
    ]
    below.plot(
        [number for number, _ in known], [one["auc"] for _, one in known], marker="o", markersize=3, label="forgotten earlier"
    )
    bounded = [(number, one) for number, one in known if one["low"] is not None]
    below.fill_between(
        [number for number, _ in bounded],
        [one["low"] for _, one in bounded],
        [one["high"] for _, one in bounded],
        alpha=0.2,
        label="95 %",
    )
    stay = [(number, one["retained_auc"]) for number, one in zip(numbers, batches, strict=True)]
    stay = [(number, value) for number, value in stay if value is not None]
    below.plot([number for number, _ in stay], [value for _, value in stay], linestyle="dashed", label="who stays")
    limit = batches[-1]["earlier"]["limit"]
    if limit is not None:
        below.axhline(limit, color=_LIMIT_COLOUR, linewidth=1, label="limit")
    below.set_ylabel("AUC of the loss")
    below.set_xlabel("batch")
    below.set_xticks(numbers)
    below.legend()
    return figure
