"""The figures of a run, from its files alone: no model, no image, no state of pyplot.

Lines differ in their dashes as well as in their colours (`aru.reporting.figure_style`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from aru.core.names import FORGET, MODELS, RETAIN, SETS, TEST, UNLEARNED, UNSEEN
from aru.metrics.metrics_file import Metrics
from aru.metrics.predictions import Predictions
from aru.reporting.figure_style import INK, MODEL_COLOURS, MODEL_DASHES, write_png
from aru.reporting.run.class_names import class_names, drawn_classes, figure_names
from aru.train.history import Layer, ModelHistory

SET_COLOURS = {FORGET: "#D55E00", RETAIN: "#E69F00", TEST: "#56B4E9", UNSEEN: "#0072B2"}
SET_DASHES = {FORGET: "solid", RETAIN: (0, (1.2, 1.2)), TEST: (0, (1.2, 1.2)), UNSEEN: "solid"}
CLASS_AXIS = {"age": "age class (years)", "multilabel": "label"}
LOSS_RANGE = (1e-4, 2e1)
FIGURES = ("losses", "roc", "accuracy_per_class", "mask", "training")
"""The names of the figures, of which `mask` is ARU's: their PNG files without the suffix."""


def loss_histograms(predictions: Predictions) -> Figure:
    """Share of images by loss, a panel a model: forget against unseen in full, retain and test as lines."""
    figure, panels = _panels(len(predictions.logits), height=3.4, share_y=True)
    bins = np.geomspace(*LOSS_RANGE, 41)
    for axes, model in zip(panels, predictions.logits, strict=True):
        for name in SETS:
            losses = np.clip(predictions.losses(model, name).astype(np.float64), *LOSS_RANGE)
            values, _ = np.histogram(losses, bins)
            shares = values / max(1, len(losses))
            axes.stairs(shares, bins, color=SET_COLOURS[name], linestyle=SET_DASHES[name], linewidth=1.6, label=name)
            if name in (FORGET, UNSEEN):
                axes.stairs(shares, bins, color=SET_COLOURS[name], alpha=0.22, fill=True)
        axes.set(xscale="log", xlim=LOSS_RANGE, xlabel="loss of an image", title=model)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.minorticks_off()
    panels[0].set_ylabel("share of images")
    panels[0].legend(loc="upper left")
    return figure


def roc_curves(predictions: Predictions) -> Figure:
    """The class-matched loss attack on logarithmic axes, which show low rates of false positives.

    Without a class on both sides there is nothing but the guess to draw.
    """
    figure, (axes,) = _panels(1, height=4.6, width=5.6)
    floor = 10.0 ** min(-1.0, np.floor(np.log10(1 / len(predictions.targets[UNSEEN]))))
    axes.plot([floor, 1], [floor, 1], color="#8A8A8A", linewidth=1, label="a guess")
    for model in predictions.logits if predictions.comparable else ():
        false, true = predictions.matched_attack(model).roc()
        axes.plot(
            np.maximum(false, floor),
            np.maximum(true, floor),
            color=MODEL_COLOURS[model],
            linestyle=MODEL_DASHES[model],
            label=model,
            drawstyle="steps-post",
        )
    axes.axvline(0.01, color=INK, linewidth=0.7, linestyle=(0, (2, 3)))
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(floor, 1),
        ylim=(floor, 1.15),
        xlabel="unseen images called members (false positives)",
        ylabel="forget images found (true positives)",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_percent))
    axes.legend(loc="lower right")
    return figure


def accuracy_per_class(metrics: Metrics, classes: Mapping[str, Sequence[str]] | None = None) -> Figure:
    """Accuracy by class on test and on forget, a bar a model; the numbers of images stand below.

    Of many classes those with the most images are drawn; classes whose names cannot be written here are numbered.
    """
    figure, panels = _panels(2, height=3.4)
    for axes, name in zip(panels, (TEST, FORGET), strict=True):
        models = [model for model in MODELS if model in metrics["per_class"]]
        counts = metrics["per_class"][models[0]][name]["count"]
        drawn = drawn_classes(counts)
        for number, model in enumerate(models):
            accuracy = [metrics["per_class"][model][name]["accuracy"][place] for place in drawn]
            places = np.arange(len(accuracy)) + (number - (len(models) - 1) / 2) * 0.27
            axes.bar(places, [value or 0 for value in accuracy], width=0.25, color=MODEL_COLOURS[model], label=model)
        names = class_names(metrics["task"], len(counts), classes)
        written = figure_names([names[place] for place in drawn])
        labels = [f"{text}\n{counts[place]:,}" for text, place in zip(written, drawn, strict=True)]
        axes.set_xticks(range(len(drawn)), labels=labels, fontsize=8)
        axes.set(ylim=(0, 1), title=name, xlabel=f"{CLASS_AXIS.get(metrics['task'], 'class')}, and number of images")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid(visible=False, axis="x")
    panels[0].set_ylabel("accuracy")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=3)  # above the bars
    return figure


def mask_by_layer(found: Mapping[str, Layer]) -> Figure:
    """Discrepancy scores (median, and 10 to 90 % of the units) and the share of units reset, layer by layer.

    found: of each layer `units`, `reset` and the quantiles `scores`, as the stage 'finetune' records them.
    """
    layers = sorted(found, key=layer_order)
    figure, panels = _panels(2, height=max(2.6, 0.24 * len(layers) + 1.1))
    places = np.arange(len(layers))
    low, middle, high = np.array([found[layer]["scores"] for layer in layers]).T
    panels[0].hlines(places, low, high, color=MODEL_COLOURS[UNLEARNED], linewidth=4, alpha=0.35)
    panels[0].plot(middle, places, "o", color=MODEL_COLOURS[UNLEARNED], markersize=4.5)
    if (low > 0).all():
        panels[0].set_xscale("log")
        panels[0].minorticks_off()
    panels[0].set(title="discrepancy of the units", xlabel="score: median, and 10 to 90 % of the units")
    shares = [found[layer]["reset"] / found[layer]["units"] for layer in layers]
    panels[1].barh(places, shares, height=0.62, color=MODEL_COLOURS[UNLEARNED])
    for place, layer, share in zip(places, layers, shares, strict=True):
        panels[1].text(share + 0.015, float(place), f"{found[layer]['reset']:,}", va="center", fontsize=7.5)
    panels[1].set(title="units reset", xlabel="share of the layer's units (and their number)", xlim=(0, 1.12))
    panels[1].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for axes in panels:
        axes.set_yticks(places, labels=layers, fontsize=7.5)
        axes.set_ylim(len(layers) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
    panels[1].tick_params(labelleft=False)
    return figure


def training_curves(histories: Mapping[str, ModelHistory]) -> Figure:
    """Loss and accuracy on the images that each model was trained on, epoch by epoch, and the learning rate."""
    figure, panels = _panels(3, height=3.2)
    shown = {model: history for model, history in histories.items() if history["epochs"]}
    shown_keys: tuple[Literal["loss", "accuracy", "lr"], ...] = ("loss", "accuracy", "lr")
    for axes, key in zip(panels, shown_keys, strict=True):
        for model, history in shown.items():
            epochs = [epoch for epoch in history["epochs"] if epoch.get(key) is not None]
            axes.plot(
                [epoch["epoch"] for epoch in epochs],
                [epoch[key] for epoch in epochs],
                marker="o",
                markersize=3,
                color=MODEL_COLOURS[model],
                linestyle=MODEL_DASHES[model],
                label=model,
            )
        axes.set(title="learning rate" if key == "lr" else f"training {key}", xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_ylim(bottom=0)
    panels[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panels[0].legend(loc="upper right")
    return figure


def write_figures(
    folder: Path,
    predictions: Predictions,
    metrics: Metrics,
    histories: Mapping[str, ModelHistory],
    classes: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Path]:
    """Draw every figure into `folder`, which has to exist; `classes`: the data's own; result: name -> PNG file.

    Without layers in the unlearned model's history, as of other methods than ARU, there is no figure of a mask; without
    epochs in any, as of such a method on an imported original, none of the training.
    """
    drawings: dict[str, Callable[[], Figure]] = {
        "losses": lambda: loss_histograms(predictions),
        "roc": lambda: roc_curves(predictions),
        "accuracy_per_class": lambda: accuracy_per_class(metrics, classes),
    }
    if any(history["epochs"] for history in histories.values()):
        drawings["training"] = lambda: training_curves(histories)
    if layers := histories[UNLEARNED].get("layers"):
        drawings["mask"] = lambda: mask_by_layer(layers)
    paths = {name: Path(folder) / f"{name}.png" for name in drawings}
    for name, draw in drawings.items():
        write_png(draw, paths[name])
    return paths


def layer_order(name: str) -> tuple[bool, list[tuple[int, str]]]:
    """Sort key that follows the data through a torchvision model: numbers as numbers, the classifier last."""
    parts = re.split(r"(\d+)", name)
    last = parts[0].split(".")[0] in ("fc", "head", "heads", "classifier")
    return last, [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _panels(count: int, *, height: float, width: float = 10.5, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, count, sharey=share_y)))


def _percent(value: float, _position: int | None = None) -> str:
    return f"{100 * value:g} %"
