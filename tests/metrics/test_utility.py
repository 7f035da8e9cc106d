"""Utility figures against hand counts and scikit-learn."""

import tracemalloc

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch.nn import functional as F

import aru.metrics.utility
from aru.core.errors import InputError
from aru.metrics.utility import per_class, per_example_loss, utility, utility_columns, utility_figures

LOGITS = torch.tensor([[3.0, 1, 0, -1], [0, 2, 1, 0], [0, 2, 1, 0], [5, 4, 3, 2], [1, 0, 9, 0]])
TARGETS = torch.tensor([0, 1, 2, 2, 2])  # right, right, second, third, right; class 3 is absent


def test_figures_by_hand() -> None:
    figures = utility(LOGITS, TARGETS)
    assert figures["accuracy"] == pytest.approx(3 / 5)
    assert figures["top2_accuracy"] == pytest.approx(4 / 5)
    assert figures["balanced_accuracy"] == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert figures["loss"] == pytest.approx(F.cross_entropy(LOGITS, TARGETS).item(), rel=1e-6)


def test_per_class_by_hand() -> None:
    assert per_class(LOGITS, TARGETS) == {"accuracy": [1.0, 1.0, pytest.approx(1 / 3), None], "count": [1, 1, 3, 0]}


def test_agrees_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(3)
    logits, targets = torch.randn(300, 6, generator=generator), torch.randint(0, 5, (300,), generator=generator)
    said, figures = logits.argmax(dim=1), utility(logits, targets)
    assert figures["balanced_accuracy"] == pytest.approx(metrics.recall_score(targets, said, labels=range(5), average="macro"))
    assert figures["top2_accuracy"] == pytest.approx(
        metrics.top_k_accuracy_score(targets, logits.softmax(1), k=2, labels=range(6))
    )


def test_of_ten_thousand_classes_no_table_of_images_by_classes_is_made() -> None:
    random, classes = np.random.default_rng(0), 10_000
    logits, targets = torch.zeros(400, classes), torch.from_numpy(random.integers(0, classes, 400))
    right = random.random(400) < 0.6
    logits[torch.arange(400), torch.where(torch.from_numpy(right), targets, (targets + 1) % classes)] = 1
    weights = random.integers(0, 3, (60, 400)).astype(float)
    tracemalloc.start()
    found = utility_figures(utility_columns(logits, targets), weights)["balanced_accuracy"]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 24 << 20 < 400 * classes * 8
    for number in (0, 59):
        present = [int(label) for label in set(targets.tolist()) if weights[number, targets == label].sum()]
        recalls = [np.average(right[targets == label], weights=weights[number, targets == label]) for label in present]
        assert found[number] == pytest.approx(np.mean(recalls), abs=1e-12)


def test_losses_and_balanced_accuracy_do_not_depend_on_the_blocks(monkeypatch) -> None:
    random = torch.Generator().manual_seed(3)
    logits, targets = torch.randn(70, 9, generator=random), torch.randint(0, 9, (70,), generator=random)
    weights = np.random.default_rng(0).integers(1, 4, (30, 70)).astype(float)
    whole = per_example_loss(logits, targets), utility_figures(utility_columns(logits, targets), weights)
    monkeypatch.setattr(aru.metrics.utility, "_BLOCK", 40)
    parts = per_example_loss(logits, targets), utility_figures(utility_columns(logits, targets), weights)
    assert np.array_equal(whole[0], parts[0]) and np.array_equal(whole[0], F.cross_entropy(logits, targets, reduction="none"))
    assert all(np.array_equal(whole[1][name], parts[1][name]) for name in whole[1])


def test_multi_label_averages_over_labels() -> None:
    logits = torch.tensor([[2.0, -1, 3], [-2, 1, 3], [2, 1, 3], [2, -3, -3]])
    targets = torch.tensor([[1.0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0]])
    figures = utility(logits, targets)
    assert set(figures) == {"accuracy", "balanced_accuracy", "loss"}
    assert figures["accuracy"] == pytest.approx((2 / 4 + 3 / 4 + 4 / 4) / 3)
    assert figures["balanced_accuracy"] == pytest.approx(((2 / 3 + 0) / 2 + (1 + 2 / 3) / 2 + (1 + 1) / 2) / 3)
    assert figures["loss"] == pytest.approx(F.binary_cross_entropy_with_logits(logits, targets).item(), rel=1e-6)
    assert per_class(logits, targets) == {"accuracy": [0.5, 0.75, 1.0], "count": [4, 4, 4]}


def test_per_example_loss_is_float32_and_one_a_picture() -> None:
    losses = per_example_loss(LOGITS.double(), TARGETS)
    assert losses.dtype == np.float32
    naive = [-torch.log_softmax(row, 0)[target].item() for row, target in zip(LOGITS, TARGETS, strict=True)]
    assert losses == pytest.approx(naive, rel=1e-6)


def test_top2_is_left_out_where_it_can_not_be_wrong() -> None:
    assert "top2_accuracy" not in utility(LOGITS[:, :2], torch.tensor([0, 1, 1, 0, 0]))


@pytest.mark.parametrize("multi", [False, True])
def test_weights_are_repetitions(multi: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(40, 3, generator=generator)
    targets = (torch.rand(40, 3, generator=generator) < 0.4).float() if multi else logits.argmax(1).roll(3)
    counts = np.random.default_rng(0).integers(0, 4, size=40)
    weighed = utility_figures(utility_columns(logits, targets), counts[None].astype(float))
    repeated = utility(
        logits.repeat_interleave(torch.from_numpy(counts), 0), targets.repeat_interleave(torch.from_numpy(counts), 0)
    )
    assert {key: values[0] for key, values in weighed.items()} == pytest.approx(repeated)


@pytest.mark.parametrize(
    "logits, targets, words",
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), "without images"),
        (torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64), "do not fit"),
        (torch.zeros(4, 3), torch.zeros(4, 2), "do not fit"),
        (torch.zeros(4), torch.zeros(4, dtype=torch.int64), "do not fit"),
        (torch.zeros(4, 3), torch.tensor([0, 1, 2, 3]), "run from 0 to 3"),
        (torch.zeros(4, 3), torch.tensor([0, -1, 2, 2]), "run from -1"),
        (torch.full((2, 3), torch.nan), torch.tensor([0, 1]), "6 of 6 logits are not finite"),
    ],
)
def test_bad_input_is_named(logits: torch.Tensor, targets: torch.Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        utility(logits, targets)
