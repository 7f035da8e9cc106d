"""Figures of how a model uses features, from figures alone: no model, no image, no state of pyplot."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from aru.core.errors import InputError
from aru.reporting.figure_style import INK, MODEL_COLOURS, MODEL_DASHES, STYLE

COLUMNS = 3


def spectra_by_layer(feature_use: Mapping[str, Any]) -> Figure:
    """Share of the maps' power by band of frequency, a panel a layer, a line a model; the evenness is in the legends.

    `feature_use`: the result of `aru.metrics.representation.feature_use.feature_use`.
    """
    models = feature_use["models"]
    layers = list(dict.fromkeys(layer for figures in models.values() for layer in figures["layers"]))
    rows = -(-len(layers) // COLUMNS)
    figure = Figure(figsize=(10.5, 2.9 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)).flatten()
    names = _band_names(feature_use["bands"])
    for axes, layer in zip(panels, layers, strict=False):
        for model, figures in models.items():
            values = figures["layers"].get(layer)
            if values is not None:
                shares = [np.nan if share is None else share for share in values["shares"]]
                even = "–" if values["evenness"] is None else f"{values['evenness']:.2f}"
                axes.plot(range(len(shares)), shares, marker="o", markersize=3.5, label=f"{model}, {even}", **_line(model))
        axes.set(title=layer, xlabel="spatial frequency (cycles a pixel of the maps)", ylim=(0, 1))
        axes.set_xticks(range(len(names)), labels=names)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.legend(loc="upper right", title="evenness", title_fontsize=9)
    for axes in panels[len(layers) :]:
        axes.set_visible(False)
    for axes in panels[::COLUMNS]:
        axes.set_ylabel("share of power")
    return figure


def accuracy_by_frequency(sensitivity: Mapping[str, Any]) -> Figure:
    """Accuracy on low- and high-passed images by the filter's radius, and under corruptions, with 95 % intervals.

    `sensitivity`: the result of `aru.metrics.representation.filtering.filter_sensitivity`.
    """
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, 3, sharey=True))
    radii = sensitivity["radii"]
    for axes, key in zip(panels, ("low_pass", "high_pass"), strict=False):
        for model, clean in sensitivity["clean"].items():
            points = [entry[model] for entry in sensitivity[key]]
            axes.plot(radii, [point["share"] for point in points], marker="o", markersize=3.5, label=model, **_line(model))
            axes.fill_between(
                radii,
                *np.array([point["interval"] for point in points]).T,
                color=_line(model)["color"],
                alpha=0.12,
                linewidth=0,
            )
            axes.axhline(clean["share"], color=_line(model)["color"], linewidth=0.8, linestyle=(0, (1, 3)))
        axes.set_xscale("log", base=2)
        axes.set_xticks(radii, labels=[f"{radius:.2g}" for radius in radii])
        axes.minorticks_off()
    panels[0].set(title="low-passed images", xlabel="highest frequency kept (cycles a pixel)", ylabel="accuracy", ylim=(0, 1))
    panels[1].set(title="high-passed images", xlabel="highest frequency removed (cycles a pixel)")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panels[0].legend(loc="upper left", title="dotted: images as they are", title_fontsize=9)
    _corruption_bars(panels[2], sensitivity["corruptions"])
    return figure


def write_feature_figures(folder: Path, feature_use: Mapping[str, Any], sensitivity: Mapping[str, Any]) -> dict[str, Path]:
    """Draw both figures into `folder`, which has to exist, the same bytes for the same numbers; result: name -> PNG file."""
    drawings = {"spectra": partial(spectra_by_layer, feature_use), "frequencies": partial(accuracy_by_frequency, sensitivity)}
    paths = {name: Path(folder) / f"{name}.png" for name in drawings}
    for name, draw in drawings.items():
        with matplotlib.rc_context(STYLE):
            draw().savefig(paths[name], format="png", metadata={"Software": None})
    return paths


def _corruption_bars(axes: Axes, corruptions: Mapping[str, Mapping[str, Any]]) -> None:
    models = list(next(iter(corruptions.values())))
    for number, model in enumerate(models):
        points = [entry[model] for entry in corruptions.values()]
        places = np.arange(len(points)) + (number - (len(models) - 1) / 2) * 0.8 / len(models)
        values, ends = np.array([point["share"] for point in points]), np.array([point["interval"] for point in points])
        axes.bar(places, values, width=0.74 / len(models), color=_line(model)["color"], label=model)
        axes.vlines(places, *ends.T, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(corruptions)), labels=list(corruptions), rotation=30, ha="right", fontsize=8)
    axes.set(title="corrupted images")
    axes.grid(visible=False, axis="x")


def _line(model: str) -> dict[str, Any]:
    if model not in MODEL_COLOURS:
        raise InputError(f"no colour is known for the model {model!r}: the models drawn are {', '.join(MODEL_COLOURS)}")
    return {"color": MODEL_COLOURS[model], "linestyle": MODEL_DASHES[model]}


def _band_names(ends: list[float | None]) -> list[str]:
    starts = [0.0, *[end for end in ends if end is not None]]
    return [f"{start:g}–{end:g}" if end is not None else f"> {start:g}" for start, end in zip(starts, ends, strict=True)]
