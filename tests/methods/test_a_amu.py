"""A-AMU: a squared loss on retain, and forget's losses made to look like those on images held out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from aru.core.errors import InputError
from aru.core.seeds import generator as stream
from aru.methods import a_amu
from aru.methods.matching import divided
from aru.methods.registry import METHODS
from aru.train.loop import predict
from aru.train.losses import task_loss
from tests.helpers.toys import CPU, generator, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, loss_on, run

CONFIG = METHODS["a-amu"].configure()
ONE = ONE_STEP | {"optimiser": "sgd"}


def test_the_discrepancy_is_that_of_two_points_and_zero_between_equals():
    one, other = torch.tensor([0.0]), torch.tensor([2.0])
    assert a_amu.discrepancy(one, other, bandwidth=1.0).item() == pytest.approx(2 - 2 * np.exp(-2))
    sample = torch.rand(9, generator=generator())
    assert a_amu.discrepancy(sample, sample.flip(0), bandwidth=1.0).item() == pytest.approx(0, abs=1e-6)


def test_ranks_are_blind_to_what_all_losses_share_and_logarithms_are_not():
    losses = torch.tensor([0.1, 0.5, 2.0])
    more = torch.expm1(torch.log1p(losses) + 1.0)
    ranks, logarithms = (
        [a_amu.transformed(each, CONFIG.model_copy(update={"transform": name})) for each in (losses, more)]
        for name in ("ranks", "logarithms")
    )
    assert torch.allclose(*ranks, atol=1e-5) and (ranks[0].diff() > 0).all()
    assert torch.allclose(logarithms[1] - logarithms[0], torch.ones(3))


def test_retain_weighs_by_the_square_of_its_loss_and_what_is_held_out_is_not_trained_on():
    model, given = small_net(), sets()
    result = run("a-amu", given, matching=0.0, lr=0.05, **ONE)
    held, kept = divided(given.retain, 0.2, "a-amu", generator=stream(0, "a-amu"))
    assert (len(held), len(kept)) == (4, 16) and not set(held.rows) & set(kept.rows)
    images, targets = kept.batch(torch.arange(16), CPU.device)
    loss = task_loss(model(images), targets, reduction="none").square().mean()
    assert_moved(model, result, [-0.05 * value for value in torch.autograd.grad(loss, list(model.parameters()))])


def test_losses_of_forget_go_where_those_of_held_out_images_are():
    model, given = small_net(), sets()
    known = predict(model, given.forget, compute=CPU).argmin(dim=1)  # losses above those of retain
    given = replace(given, forget=replace(given.forget, targets=known))
    start, aim = loss_on(model, given.forget), loss_on(model, given.retain)
    assert start > aim + 0.1
    shared = {"transform": "logarithms", "matching": 1000.0, "bandwidth": 0.5, "lr": 3e-4, **ONE}
    result = run("a-amu", given, model=model, **shared)
    assert loss_on(result, given.forget) < start - 0.01


def test_a_lone_retain_image_leaves_nothing_to_hold_out():
    given = sets()
    with pytest.raises(InputError, match="retain, which has 1 image: give at least 2"):
        run("a-amu", replace(given, retain=given.retain.take(np.array([0]))))
