"""PIU-FR: towards the original's outputs on others of the class and away from them, batch by batch; then repair on retain."""

import pytest
import torch

from aru.methods import piu_fr
from aru.train.losses import distillation_loss
from tests.helpers.toys import CPU, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, gradient, run


def test_a_batch_is_pulled_towards_the_originals_outputs_on_others_of_its_classes(monkeypatch):
    model, given, asked = small_net(), sets(), []

    def drawn(wanted, pool, *, generator):
        asked.append((wanted, pool))
        return torch.arange(len(wanted))

    images, targets = given.forget.batch(torch.arange(12), CPU.device)
    monkeypatch.setattr(piu_fr, "same_classes", drawn)
    monkeypatch.setattr(piu_fr, "shuffled", lambda data, size, **options: [(images, targets)])
    result = run("piu-fr", given, lr=0.05, repair_epochs=0, **ONE_STEP)
    assert torch.equal(asked[0][0], targets) and asked[0][1] is given.retain.targets
    with torch.no_grad():
        wanted = model(given.retain.batch(torch.arange(12), CPU.device)[0])
    loss = distillation_loss(model(images), wanted, temperature=4.0)
    assert_moved(model, result, [-0.05 * value for value in torch.autograd.grad(loss, list(model.parameters()))])


@pytest.mark.parametrize("size, moved", [(64, -0.05 * 12), (6, 0.0), (4, -0.05 * 4)])
def test_the_direction_turns_with_every_batch_and_begins_anew_with_every_epoch(size, moved, monkeypatch):
    monkeypatch.setattr(piu_fr, "distillation_loss", lambda logits, wanted, *, temperature: logits.sum())
    changes = ONE_STEP | {"batch_size": size}
    for epochs in (1, 2):
        result = run("piu-fr", lr=0.05, repair_epochs=0, **changes | {"epochs": epochs})
        bias = result.fc.bias - small_net().fc.bias  # the sum of logits climbs by 1 an image with each bias
        assert torch.allclose(bias, torch.tensor(epochs * moved), atol=1e-6)


def test_the_second_stage_is_on_retain_alone():
    model, given = small_net(), sets()
    result = run("piu-fr", given, repair_lr=0.05, repair_epochs=1, **ONE_STEP | {"epochs": 0})
    assert_moved(model, result, [-0.05 * value for value in gradient(model, given.retain)])
