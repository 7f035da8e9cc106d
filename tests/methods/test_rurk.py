"""RURK: what is recognised near a forget image is made to cost, and nothing else is."""

from dataclasses import replace

import pytest
import torch

from aru.methods import rurk
from aru.methods.registry import METHODS
from aru.train.losses import task_loss
from tests.helpers.toys import CPU, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, gradient, run


def recognised(model, data, config):
    images, targets = data.batch(torch.arange(len(data)), CPU.device)
    near = rurk.recalled(model, images, targets, config)
    return (model(near).argmax(dim=1) == targets).float().mean().item()


@pytest.mark.parametrize("steps", [1, 4])
def test_images_move_towards_their_labels_within_the_radius(steps):
    model, config = small_net(), METHODS["rurk"].configure(radius=0.03, steps=steps)
    images, targets = sets().forget.batch(torch.arange(12), CPU.device)
    near = rurk.recalled(model, images, targets, config)
    assert 0 < (near - images).abs().max() <= 0.03 + 1e-6 and near.min() >= 0 and near.max() <= 1
    assert task_loss(model(near), targets) < task_loss(model(images), targets)


def test_only_what_is_recognised_counts():
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
    loss = rurk.residual(logits, torch.tensor([0, 0]))
    assert loss.item() == pytest.approx(torch.log1p(torch.exp(torch.tensor(-2.0))).item() / 2)
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope[0].abs().min() > 0 and torch.equal(slope[1], torch.zeros(2))


def test_neighbourhoods_are_unlearnt_and_without_any_left_it_is_a_step_on_retain():
    model, given, config = small_net(), sets(), METHODS["rurk"].configure()
    with torch.no_grad():
        answers = model(given.forget.batch(torch.arange(12), CPU.device)[0])
    known = replace(given, forget=replace(given.forget, targets=answers.argmax(dim=1)))
    assert recognised(model, known.forget, config) == 1
    result = run("rurk", known, model=model, forget_weight=1.0, lr=0.05, **ONE_STEP | {"epochs": 20})
    assert recognised(result, known.forget, config) < 0.5
    unknown = replace(given, forget=replace(given.forget, targets=answers.argmin(dim=1)))
    assert recognised(model, unknown.forget, config) == 0
    result = run("rurk", unknown, model=model, lr=0.05, **ONE_STEP)
    assert_moved(model, result, [-0.05 * value for value in gradient(model, given.retain)])
