"""ReGUn: forget images are to answer as others of their classes do, on the whole."""

import torch
from torch.nn import functional

from aru.methods import regun
from tests.helpers.toys import CPU, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, gradient, run


def test_a_step_descends_the_divergence_from_the_originals_mean_answer(monkeypatch):
    model, given, asked = small_net(), sets(), []

    def drawn(wanted, pool, *, generator):
        asked.append((sorted(wanted.tolist()), pool))
        return torch.arange(8)

    monkeypatch.setattr(regun, "same_classes", drawn)
    result = run("regun", given, forget_weight=2.0, references=3, lr=0.05, **ONE_STEP)
    assert asked == [(sorted(given.forget.targets.tolist() * 3), given.retain.targets)]
    images = given.forget.batch(torch.arange(12), CPU.device)[0]
    with torch.no_grad():
        mean = model(given.retain.batch(torch.arange(8), CPU.device)[0]).softmax(dim=1).mean(dim=0)
    answers = functional.log_softmax(model(images), dim=1)
    loss = 2.0 * functional.kl_div(answers, mean.expand(12, -1), reduction="batchmean")
    lost = torch.autograd.grad(loss, list(model.parameters()))
    kept = gradient(model, given.retain)
    assert_moved(model, result, [-0.05 * (one + two) for one, two in zip(kept, lost, strict=True)])


def test_the_reference_is_a_distribution():
    images = torch.rand(5, 3, 16, 16)
    found = regun.reference(small_net(), images)
    assert torch.allclose(found.exp().sum(), torch.tensor(1.0)) and found.shape == (1, 8)
