"""DLFD: retain images are moved, as a distribution, away from the outputs of forget images."""

import pytest
import torch

from aru.methods import dlfd
from aru.methods.registry import METHODS
from aru.methods.transport import plan, transport_cost
from aru.train.losses import task_loss
from tests.helpers.toys import CPU, generator, same_weights, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, gradient, run

SINKHORN = {"entropy": 0.01, "steps": 50}


def test_the_plan_has_uniform_marginals_and_finds_the_cheapest_pairs():
    cost = torch.rand(5, 7, generator=generator())
    made = plan(cost, entropy=0.05, steps=200)
    assert torch.allclose(made.sum(0), torch.full((7,), 1 / 7)) and torch.allclose(
        made.sum(1), torch.full((5,), 1 / 5), atol=1e-3
    )
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(plan(1 - torch.eye(3)[order], **SINKHORN), torch.eye(3)[order] / 3, atol=1e-4)


def test_the_distance_is_of_directions_and_of_sets():
    corners = torch.eye(4)
    assert transport_cost(3 * corners, corners.flip(0), **SINKHORN) == pytest.approx(0, abs=1e-4)
    assert transport_cost(corners[:2], corners[2:], **SINKHORN) == pytest.approx(1, abs=1e-4)
    assert transport_cost(corners[:1], -corners[:1], **SINKHORN) == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize("weight", [0.0, 100.0])
def test_retain_images_leave_the_forget_images_outputs_or_near_their_labels(weight):
    model, given = small_net(), sets()
    batch, (forget, _) = (data.batch(torch.arange(12), CPU.device) for data in (given.retain, given.forget))
    config = METHODS["dlfd"].configure(noise_steps=5, noise_step_size=0.02)
    moved = dlfd.distanced(model, batch, forget, config, weight=weight)
    assert moved.min() >= 0 and moved.max() <= 1 and 0 < (moved - batch[0]).abs().max() <= 5 * 0.02 + 1e-6
    if weight:
        assert task_loss(model(moved), batch[1]) < task_loss(model(batch[0]), batch[1])
    else:
        before, after = (transport_cost(model(images), model(forget), **SINKHORN) for images in (batch[0], moved))
        assert after > before
    assert same_weights(model, small_net())


def test_the_labels_weight_grows_over_the_steps_that_are_of_moved_images(monkeypatch):
    weights = []

    def unmoved(model, retain, forget, config, *, weight):
        weights.append(weight)
        return retain[0]

    monkeypatch.setattr(dlfd, "distanced", unmoved)
    run("dlfd", epochs=1, batch_size=4)
    assert weights == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    weights.clear()
    run("dlfd", epochs=1, batch_size=4, distanced=0.6)
    assert weights == pytest.approx([0.0, 0.25, 0.5])


def test_without_moved_images_it_is_a_step_on_retain():
    model, given = small_net(), sets()
    result = run("dlfd", given, distanced=0.0, lr=0.05, **ONE_STEP)
    assert_moved(model, result, [-0.05 * value for value in gradient(model, given.retain)])
