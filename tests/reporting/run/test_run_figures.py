"""The figures: drawn from files, byte-stable, holding what they should."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from aru.core.errors import InputError
from aru.core.files import read_json, save_tensors
from aru.metrics.predictions import Predictions, read_predictions
from aru.reporting.figure_style import write_png
from aru.reporting.run import figures
from aru.reporting.run.class_names import class_legend, figure_names
from tests.helpers.runs import KNOWN, LAYERS, SIZES, made_layers, made_logits, write_run


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return folder


def draw(work: Path, folder: Path) -> dict[str, Path]:
    folder.mkdir()  # `write_figures` draws into a folder that is there
    return figures.write_figures(
        folder,
        read_predictions(work / "evaluation" / "predictions.safetensors"),
        read_json(work / "evaluation" / "metrics.json"),
        {model: read_json(work / model / "history.json") for model in KNOWN},
    )


def test_same_files_same_bytes_and_no_state_left(work: Path, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    first, second = draw(work, tmp_path / "first"), draw(work, tmp_path / "second")
    assert set(first) == {"losses", "roc", "accuracy_per_class", "mask", "training"}
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name
        with Image.open(path) as picture:
            assert picture.width >= 800 and picture.height >= 300
            assert set(picture.info) <= {"dpi"}, "no date, no version"
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20, "an empty figure"
    assert dict(matplotlib.rcParams) == before


def test_histograms_count_every_image(work: Path) -> None:
    predictions = read_predictions(work / "evaluation" / "predictions.safetensors")
    predictions.logits["original"]["forget"][0] = 1000.0 * torch.eye(8)[predictions.targets["forget"][0]]  # loss 0
    for axes in figures.loss_histograms(predictions).axes:
        assert [patch.get_data().values.sum() for patch in axes.patches] == pytest.approx([1.0] * 6)


def test_roc_shows_each_model_and_a_guess(work: Path) -> None:
    axes = figures.roc_curves(read_predictions(work / "evaluation" / "predictions.safetensors")).axes[0]
    assert [line.get_label() for line in axes.lines[:4]] == ["a guess", "original", "unlearned", "retrained"]
    found = {line.get_label(): np.interp(0.1, *line.get_data()) for line in axes.lines[1:4]}
    assert found["original"] > 2 * max(found["unlearned"], found["retrained"])
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_bars_are_the_metrics(work: Path) -> None:
    metrics = read_json(work / "evaluation" / "metrics.json")
    axes = figures.accuracy_per_class(metrics).axes[0]
    bars = {container.get_label(): [bar.get_height() for bar in container] for container in axes.containers}
    assert bars == {model: metrics["per_class"][model]["test"]["accuracy"] for model in KNOWN}
    assert axes.get_xticklabels()[0].get_text().startswith("0–6\n")


def test_mask_shares_and_order(work: Path) -> None:
    layers = made_layers()
    left, right = figures.mask_by_layer(layers | {"conv1": {"units": 8, "reset": 2, "scores": [0.1, 0.2, 0.3]}}).axes
    assert [label.get_text() for label in left.get_yticklabels()] == list(LAYERS)
    assert [bar.get_width() for bar in right.patches] == [0.25, 0.5, 0.5, 0.5]


def test_scores_of_zero_are_drawn() -> None:
    assert figures.mask_by_layer({"conv1": {"units": 12, "reset": 0, "scores": [0.0] * 3}}).axes[0].get_xscale() == "linear"


def test_layers_follow_the_data() -> None:
    names = ["fc", "layer10.0.conv1", "layer2.0.conv2", "layer2.0.conv1", "conv1", "heads.head"]
    assert sorted(names, key=figures.layer_order) == [
        "conv1",
        "layer2.0.conv1",
        "layer2.0.conv2",
        "layer10.0.conv1",
        "fc",
        "heads.head",
    ]


@pytest.mark.parametrize(
    "task, count, expected",
    [("age", 8, "67–80"), ("age", 3, "2"), ("multilabel", 3, "young"), ("male", 2, "male"), ("other", 2, "1")],
)
def test_class_names(task: str, count: int, expected: str) -> None:
    names = figures.class_names(task, count)
    assert len(names) == count and names[-1] == expected


@pytest.mark.parametrize("draw_one", [figures.loss_histograms, figures.roc_curves])
def test_multi_label_can_be_drawn(draw_one: Callable[[Predictions], Figure]) -> None:
    assert draw_one(Predictions(*made_logits(multi=True))).axes


def test_predictions_come_back_as_written(work: Path) -> None:
    predictions, (logits, targets) = read_predictions(work / "evaluation" / "predictions.safetensors"), made_logits()
    assert list(predictions.logits) == list(KNOWN)
    for name, size in SIZES.items():
        assert len(predictions.targets[name]) == size and torch.equal(predictions.targets[name], targets[name])
        assert all(torch.equal(predictions.logits[model][name], logits[model][name]) for model in KNOWN)


def test_predictions_without_roles_are_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "p.safetensors", {"targets": torch.zeros(2), "rows": torch.zeros(2)})
    with pytest.raises(InputError, match="lacks role"):
        read_predictions(tmp_path / "p.safetensors")


LONG = tuple(f"class of winter coats number {number}" for number in range(3))


@pytest.mark.parametrize(
    ("names", "drawn"),
    [
        (("red", "gr\u00fcn", "\u03b1\u03b2"), ("red", "gr\u00fcn", "\u03b1\u03b2")),
        (("red", "\uc5bc\uad74", "\u5bb6"), ("#1", "#2", "#3")),
        (("\u0648\u062c\u0647", "b"), ("#1", "#2")),
        (("\U0001f9e2", "b"), ("#1", "#2")),
        (("$a$", "b"), ("#1", "#2")),
        (("a\tb", "b"), ("#1", "#2")),
        (LONG, ("#1", "#2", "#3")),
    ],
)
def test_names_that_a_figure_cannot_write_are_numbers(names, drawn) -> None:
    assert figure_names(names) == drawn


@pytest.mark.filterwarnings("error")  # matplotlib warns of a glyph that its font lacks, and draws a box
def test_a_figure_of_ten_thousand_classes_in_any_script_is_small_and_has_its_legend(tmp_path: Path) -> None:
    names = tuple(f"\uc5bc\uad74 {number} <b>" for number in range(10_000))
    counts = [number % 977 for number in range(10_000)]
    one = {"count": counts, "accuracy": [0.5] * 10_000}
    metrics = {"task": "face", "per_class": {model: {"test": one, "forget": one} for model in KNOWN}}
    path = tmp_path / "figure.png"
    write_png(lambda: figures.accuracy_per_class(metrics, {"face": names}), path)
    assert path.stat().st_size < 200_000
    legend = class_legend(metrics, "test", {"face": names})
    assert len(legend) == 20 and legend[0] == ("#1", names[975]) and all(counts[names.index(name)] > 970 for _, name in legend)
    assert class_legend(metrics, "test", {"face": ("ab",) * 10_000}) == ()  # names that fit need none
