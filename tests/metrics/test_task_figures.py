"""Figures of tasks other than classification: held to torchmetrics, and to those of classification where both are defined."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from aru.metrics.summary import summarise
from aru.metrics.task_scores import mean_average_precision, mean_iou, mean_of
from aru.metrics.task_summary import NO_NOMUS, summarise_task
from aru.metrics.utility import per_example_loss


def test_mean_iou_is_that_of_torchmetrics_for_images_drawn_again_and_again():
    random = torch.Generator().manual_seed(0)
    masks, predicted = (torch.randint(0, 4, (5, 6, 7), generator=random) for _ in range(2))
    predicted[predicted == 3] = 0
    masks[masks == 3] = 1  # a class of the network that nothing shows
    weights = np.array([[1, 1, 1, 1, 1], [0, 3, 1, 0, 1]])
    expected = []
    for row in weights:
        drawn = np.repeat(np.arange(5), row)
        expected.append(float(MulticlassJaccardIndex(4)(predicted[drawn], masks[drawn])))
    assert mean_iou(predicted, masks, classes=4)(weights) == pytest.approx(expected, abs=1e-6)


def test_boxes_that_are_the_annotated_ones_have_full_precision():
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40]])
    annotated = [{"boxes": boxes, "labels": torch.tensor([1, 2])} for _ in range(2)]
    found = [one | {"scores": torch.tensor([0.9, 0.8])} for one in annotated]
    half = [{name: value[:1] for name, value in one.items()} for one in found]
    weights = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert mean_average_precision(found, annotated)(weights) == pytest.approx([1, 1])
    assert mean_average_precision(half, annotated, key="map_50")(weights) == pytest.approx([0.5, 0.5]), "one class of two"


def test_a_task_of_one_class_has_the_figures_that_classification_has():
    random = torch.Generator().manual_seed(0)
    counts = {"forget": 14, "retain": 20, "test": 16, "unseen": 15}
    logits = {
        model: {name: torch.randn(count, 3, generator=random) for name, count in counts.items()}
        for model in ("original", "unlearned", "retrained")
    }
    targets = {name: torch.ones(count, dtype=torch.long) for name, count in counts.items()}
    groups = {name: np.array([f"{row // 2}" for row in range(count)]) for name, count in counts.items()}
    settings = {"groups": groups, "task": "own", "seed": 3, "resamples": 30}
    expected = summarise(logits, targets, benchmark="own data", protocol="own", **settings)
    losses = {
        model: {name: per_example_loss(one, targets[name]) for name, one in own.items()} for model, own in logits.items()
    }
    right = {
        model: {name: {"accuracy": mean_of((one.argmax(1) == 1).double().numpy())} for name, one in own.items()}
        for model, own in logits.items()
    }
    found = summarise_task(losses, right, **settings)
    assert found.keys() == expected.keys() and found["counts"] == expected["counts"] and found["people"] == expected["people"]
    assert found["reference"] == expected["reference"]
    for part in ("models", "gaps", "intervals"):
        for model, figures in found[part].items():
            shared = {key for key in figures if not key.endswith("nomus")}
            assert len(shared) >= 13
            for key in shared:
                assert figures[key] == pytest.approx(expected[part][model][key], abs=2e-6), (part, model, key)
    assert found["models"]["original"]["nomus"] is None and found["not_measured"]["nomus"] == NO_NOMUS
