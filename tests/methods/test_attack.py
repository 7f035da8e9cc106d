"""Stage 1: the noise keeps its promises, and equals two independent ways of making it."""

import pytest
import torch
import torchattacks
from torch.nn import functional

from aru.core.config import AttackConfig
from aru.methods.aru.attack import attack, projected_gradient_descent
from tests.helpers.toys import CPU, image_set, same_weights, small_net

CASES = {
    "paper": {},
    "minimise": {"direction": "min", "start": "uniform", "steps": 7},
    "random": {"noise": "random"},
    "none": {"noise": "none"},
    "no steps": {"steps": 0},
    "wide": {"eps": 0.9, "alpha": 0.5, "steps": 3},
    "no room": {"eps": 0.0},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_noise_is_within_eps_and_images_stay_in_range(case):
    data, config = image_set(11), AttackConfig(batch_size=4, **case)
    noise = attack(small_net(), data, config, seed=0, compute=CPU)
    images, _ = data.batch(torch.arange(11), CPU.device)
    assert noise.shape == images.shape and noise.dtype == torch.float32
    assert noise.abs().max() <= config.eps
    assert (images + noise).min() >= 0 and (images + noise).max() <= 1
    assert (noise.abs().max() > 0) == (
        config.eps > 0 and config.noise != "none" and (config.noise == "random" or config.steps > 0)
    )


@pytest.mark.parametrize("direction, sign", [("max", 1), ("min", -1)])
def test_the_attack_moves_the_loss_its_way(direction, sign):
    data, model = image_set(16), small_net()
    images, targets = data.batch(torch.arange(16), CPU.device)
    noise = attack(model, data, AttackConfig(direction=direction, steps=5), seed=0, compute=CPU)
    with torch.no_grad():
        change = functional.cross_entropy(model(images + noise), targets) - functional.cross_entropy(model(images), targets)
    assert sign * change > 0


def test_batched_noise_equals_a_naive_loop_over_single_images():
    data, model, config = image_set(6), small_net().double(), AttackConfig(steps=4, batch_size=6)
    images, targets = (part.double() if part.is_floating_point() else part for part in data.batch(torch.arange(6), CPU.device))
    batched = projected_gradient_descent(
        model,
        images,
        targets,
        torch.zeros_like(images),
        eps=config.eps,
        alpha=config.alpha,
        steps=config.steps,
        ascend=True,
        compute=CPU,
    )
    for number in range(6):
        adversarial = images[number].clone()
        for _ in range(config.steps):
            adversarial.requires_grad_(True)
            loss = functional.cross_entropy(model(adversarial[None]), targets[number : number + 1])
            (gradient,) = torch.autograd.grad(loss, adversarial)
            moved = adversarial.detach() + config.alpha * gradient.sign()
            moved = torch.min(torch.max(moved, images[number] - config.eps), images[number] + config.eps)
            adversarial = moved.clamp(0, 1)
        torch.testing.assert_close(batched[number], adversarial - images[number], rtol=0, atol=1e-12)


def test_equals_the_pgd_of_torchattacks():
    data, model, config = image_set(8), small_net(), AttackConfig(steps=6)
    images, targets = data.batch(torch.arange(8), CPU.device)
    theirs = torchattacks.PGD(model, eps=config.eps, alpha=config.alpha, steps=config.steps, random_start=False)
    ours = attack(model, data, config, seed=0, compute=CPU)
    torch.testing.assert_close(ours, theirs(images.contiguous(), targets) - images, rtol=0, atol=1e-6)


def test_the_model_is_left_as_it_was():
    model = small_net().train()
    before = small_net().train()
    attack(model, image_set(5), AttackConfig(steps=2), seed=0, compute=CPU)
    assert same_weights(model, before) and model.training and model.bn1.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_same_seed_gives_the_same_random_start_and_another_a_different_one():
    config = AttackConfig(start="uniform", steps=1)
    one, same, other = (attack(small_net(), image_set(4), config, seed=seed, compute=CPU) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
