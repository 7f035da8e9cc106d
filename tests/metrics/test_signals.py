"""Signals against formulas on hand-made probabilities, high precision and autograd; the model stays as it was."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
import torch
from torch import nn

from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.metrics.membership.signals import confidence, gradient_norm, logit_confidence, margin, modified_entropy
from aru.nets.models import build
from aru.train.losses import task_loss
from tests.helpers.toys import CPU, SmallNet, image_set, same_weights, small_net

SIGNALS = {
    "confidence": confidence,
    "logit_confidence": logit_confidence,
    "margin": margin,
    "modified_entropy": modified_entropy,
}
PROBABILITIES = [
    ([0.7, 0.2, 0.1], 0),
    ([0.7, 0.2, 0.1], 1),
    ([0.7, 0.2, 0.1], 2),
    ([0.25] * 4, 3),
    ([0.999, 0.001], 0),
    ([0.999, 0.001], 1),
    ([0.5, 0.5], 0),
]
getcontext().prec = 300


def by_formula(probabilities: list[float], true: int) -> dict[str, float]:
    """The definitions of the papers, term by term."""
    right = probabilities[true]
    others = [p for label, p in enumerate(probabilities) if label != true]
    return {
        "confidence": right,
        "logit_confidence": math.log(right) - math.log(1 - right),
        "margin": math.log(right) - math.log(sum(others)),
        "modified_entropy": -(1 - right) * math.log(right) - sum(p * math.log(1 - p) for p in others),
    }


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("probabilities, true", PROBABILITIES)
def test_hand_made_probabilities(name: str, probabilities: list[float], true: int) -> None:
    logits = torch.tensor([probabilities], dtype=torch.float64).log() + 3  # a softmax does not see the constant
    found = SIGNALS[name](logits, torch.tensor([true]))
    assert found.dtype == np.float64 and found.shape == (1,)
    assert found[0] == pytest.approx(by_formula(probabilities, true)[name], rel=1e-12)


def test_modified_entropy_by_hand() -> None:
    """-(0.3) ln 0.7 - 0.2 ln 0.8 - 0.1 ln 0.9, and neither the entropy nor a sum over all classes."""
    logits = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64).log()
    right, wrong = (modified_entropy(logits, torch.tensor([label]))[0] for label in (0, 2))
    assert right == pytest.approx(0.3 * 0.35667494 + 0.2 * 0.22314355 + 0.1 * 0.10536052, abs=1e-8)
    assert wrong == pytest.approx(0.9 * 2.30258509 + 0.7 * 1.20397280 + 0.2 * 0.22314355, abs=1e-8)
    entropy = -sum(p * math.log(p) for p in (0.7, 0.2, 0.1))
    assert right < entropy < wrong  # the entropy is the same for both labels


@pytest.mark.parametrize("gap", [5, 30, 60, 300])
@pytest.mark.parametrize("true", [0, 1, 2])
def test_sure_models_keep_their_digits(gap: int, true: int) -> None:
    """Where p rounds to 1 in float64, against 300 digits."""
    logits = torch.tensor([[gap, 0.0, -1.5]])
    powers = [Decimal(value).exp() for value in (Decimal(gap), Decimal(0), Decimal("-1.5"))]
    p = [power / sum(powers) for power in powers]
    entropy = -(1 - p[true]) * p[true].ln() - sum(q * (1 - q).ln() for label, q in enumerate(p) if label != true)
    targets = torch.tensor([true])
    assert logit_confidence(logits, targets)[0] == pytest.approx(float(p[true].ln() - (1 - p[true]).ln()), rel=1e-12)
    # p_y log p_y of a sure answer carries the rounding of log p_y, some 1e-16 of the gap: absolute, not relative.
    assert modified_entropy(logits, targets)[0] == pytest.approx(float(entropy), rel=1e-9, abs=1e-13)


def test_phi_is_the_margin_of_one_softmax() -> None:
    logits = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) * 12
    targets = torch.arange(200) % 8
    assert np.allclose(logit_confidence(logits, targets), margin(logits, targets), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_label_is_a_two_class_problem(name: str) -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -4.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    expected = [
        np.mean([by_formula([1 - p, p], int(label))[name] for p, label in zip(row, labels, strict=True)])
        for row, labels in zip(logits.double().sigmoid().tolist(), targets.tolist(), strict=True)
    ]
    assert SIGNALS[name](logits, targets) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", SIGNALS)
def test_inputs_stay_and_bad_ones_are_named(name: str) -> None:
    logits, targets = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    before = logits.clone()
    SIGNALS[name](logits, targets)
    assert torch.equal(logits, before)
    for bad, words in (
        (torch.randn(5, 1), "2 outputs or more"),
        (torch.full((5, 3), torch.nan), "not finite"),
        (torch.randn(4, 3), "do not fit"),
    ):
        with pytest.raises(InputError, match=words):
            SIGNALS[name](bad, torch.zeros(5, dtype=torch.int64))


class NoBias(SmallNet):
    """A classifier without a bias has one gradient term less."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 8, bias=False)


def naive_norms(model: nn.Module, data: ImageSet, layer: nn.Module) -> list[float]:
    """Autograd, one image at a time."""
    norms = []
    for position in range(len(data)):
        images, targets = data.batch(torch.tensor([position]), torch.device("cpu"))
        gradients = torch.autograd.grad(task_loss(model(images), targets), list(layer.parameters()))
        norms.append(math.sqrt(sum(float((gradient.double() ** 2).sum()) for gradient in gradients)))
    return norms


@pytest.mark.parametrize("make", [small_net, lambda: NoBias().eval()])
def test_gradient_norm_is_autograds(make) -> None:
    model, data = make(), image_set(9)
    assert gradient_norm(model, data, compute=CPU, batch_size=4) == pytest.approx(naive_norms(model, data, model.fc), rel=1e-4)


def test_gradient_norm_of_labels_and_of_a_transformer() -> None:
    data = image_set(5, side=24, outputs=3)
    labels = torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0]])
    many = ImageSet(data.images, data.rows, labels, 3)
    model = build("vit_tiny", 3, resolution=24).eval()
    for one in (data, many):
        assert gradient_norm(model, one, compute=CPU) == pytest.approx(naive_norms(model, one, model.heads.head), rel=1e-4)


def test_gradient_norm_of_a_classifier_that_is_a_convolution() -> None:
    data, model = image_set(5, side=32), build("squeezenet1_1", 8).eval()
    expected = naive_norms(model, data, model.classifier[1])
    assert gradient_norm(model, data, compute=CPU, batch_size=2) == pytest.approx(expected, rel=1e-4)


def test_gradient_norm_leaves_the_model_as_it_was() -> None:
    model, before = small_net(), small_net()
    model.train()
    model.bn1.eval()
    modes = [module.training for module in model.modules()]
    first = gradient_norm(model, image_set(6), compute=CPU)
    assert same_weights(model, before) and [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.fc._forward_pre_hooks
    assert np.array_equal(first, gradient_norm(model, image_set(6), compute=CPU))
