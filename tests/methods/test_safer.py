"""SAFER: retain clusters by class, and the logit of a forget image's class lies below another's."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from aru.methods import safer
from aru.train.loop import predict
from tests.helpers.toys import CPU, generator, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, gradient, run

PLAIN = {"compactness": 0.0, "separation": 0.0}


def margins(model, data):
    logits = predict(model, data, compute=CPU)
    own = functional.one_hot(data.targets, data.outputs).bool()
    return logits[own] - logits.masked_fill(own, -torch.inf).max(dim=1).values


def test_margins_of_forget_images_become_negative_although_the_original_knew_them():
    model, given = small_net(), sets()
    known = replace(given.forget, targets=predict(model, given.forget, compute=CPU).argmax(dim=1))
    assert (margins(model, known) > 0).all()
    shared = {"epochs": 15, "lr": 0.05, "batch_size": 8, "augment": False, "batchnorm": "eval"}
    result = run("safer", replace(given, forget=known), model=model, forget_weight=1.0, **shared)
    assert (margins(result, known) < 0).all()


def test_random_targets_give_the_own_class_nothing_and_the_others_all():
    targets = torch.arange(8).repeat(500)
    wanted = safer.other_classes(targets, 8, generator=generator())
    assert torch.equal(wanted[torch.arange(4000), targets], torch.zeros(4000))
    assert torch.allclose(wanted.sum(1), torch.ones(4000)) and (wanted >= 0).all()
    means = torch.stack([wanted[targets == label].mean(0) for label in range(8)])
    assert (means[~torch.eye(8).bool()] - 1 / 7).abs().max() < 0.03
    assert wanted.std(dim=0).min() > 0.05, "random, not uniform"


def test_clusters_are_measured_within_and_between_classes():
    east, north = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    targets = torch.tensor([0, 0, 1])
    assert torch.stack(safer.clustering(torch.cat([east, 3 * east, north]), targets)).tolist() == pytest.approx([0, 0])
    within, between = safer.clustering(torch.cat([east, north, north]), targets)
    assert within.item() == pytest.approx(2 / 3 * 0.5) and between.item() == pytest.approx(0.5**0.5)
    assert safer.clustering(east, torch.tensor([4]))[1] == 0


def test_retain_features_gather_by_class():
    given = sets(retain=40)
    batch = given.retain.batch(torch.arange(40), CPU.device)

    def measured(model):
        features = safer.logits_and_features(model, batch[0])[1]
        return torch.stack(safer.clustering(features, batch[1])).detach()

    shared = {"epochs": 10, "lr": 0.05, "batch_size": 40, "forget_weight": 0.0, "augment": False, "batchnorm": "eval"}
    plain, gathered = (measured(run("safer", given, **shared, **weights)) for weights in (PLAIN, {"compactness": 3.0}))
    assert gathered[0] < plain[0]
    assert measured(run("safer", given, **shared, **PLAIN | {"separation": 3.0}))[1] < plain[1]


def test_without_its_terms_it_is_a_step_on_retain():
    model, given = small_net(), sets()
    result = run("safer", given, forget_weight=0.0, lr=0.05, **PLAIN, **ONE_STEP)
    assert_moved(model, result, [-0.05 * value for value in gradient(model, given.retain)])
