"""Steps of the methods, derived anew: on the whole set at once, by the loss that the source states and by plain autograd.

The draws are repeated as a method makes them: from the stream of its name, after one for dropout.
"""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional

from aru.core.seeds import draw_seed
from aru.core.seeds import generator as stream
from aru.data.images import ImageSet, Sets
from aru.methods import kde
from aru.methods.matching import same_classes
from aru.methods.registry import METHODS
from aru.nets.fresh import fresh
from tests.helpers.toys import CPU, sets, small_net
from tests.methods.test_training_methods import run

LR = 0.05
STEP = {"epochs": 1, "batch_size": 64, "optimiser": "sgd", "lr": LR, "momentum": 0.0, "weight_decay": 0.0, "augment": False}
EVAL = STEP | {"batchnorm": "eval"}


def draws(name: str) -> torch.Generator:
    random = stream(0, name)
    torch.randint(2**31, (1,), generator=random)
    return random


def whole(data: ImageSet, order: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    return data.batch(torch.arange(len(data)) if order is None else order, CPU.device)


def down(model: nn.Module, loss: torch.Tensor, lr: float = LR, kept: Sequence[torch.Tensor] | None = None) -> None:
    """One step down the loss; `kept` marks the weights that move."""
    weights = list(model.parameters())
    with torch.no_grad():
        for place, (weight, slope) in enumerate(zip(weights, torch.autograd.grad(loss, weights), strict=True)):
            weight -= lr * (slope if kept is None else slope * kept[place])


def relabelled(model: nn.Module, given: Sets, name: str) -> torch.Tensor:
    """CE over retain and forget, forget's labels drawn from all."""
    images, targets = (torch.cat(parts) for parts in zip(whole(given.retain), whole(given.forget), strict=True))
    targets[20:] = (targets[20:] + torch.randint(0, 8, (12,), generator=draws(name))) % 8
    return functional.cross_entropy(model(images), targets)


def random_labels(model: nn.Module, given: Sets) -> None:
    down(model, relabelled(model, given, "random-labels"))


def salun(model: nn.Module, given: Sets) -> None:
    images, targets = whole(given.forget)
    slopes = torch.autograd.grad(functional.cross_entropy(model(images), targets), list(model.parameters()))
    sizes = torch.cat([slope.abs().flatten() for slope in slopes])
    least = sizes.sort(descending=True).values[int(0.3 * len(sizes)) - 1]
    down(model, relabelled(model, given, "salun"), kept=[(slope.abs() >= least).float() for slope in slopes])


def bad_teacher(model: nn.Module, given: Sets) -> None:
    bad = fresh(small_net(), seed=draw_seed(0, "bad-teacher/init")).eval()
    answers = [net(whole(data)[0]) for net, data in ((model, given.retain), (bad, given.forget))]
    wanted = torch.cat(answers).detach().softmax(dim=1)
    found = torch.cat([model(whole(data)[0]) for data in (given.retain, given.forget)]).log_softmax(dim=1)
    down(model, (wanted * (wanted.log() - found)).sum() / 32)


def unsir(model: nn.Module, given: Sets) -> None:
    random = draws("unsir")
    orders = [torch.randperm(count, generator=random) for count in (20, 12)]
    (images, targets), (forgotten, _) = (whole(*pair) for pair in zip((given.retain, given.forget), orders, strict=True))
    noise = torch.randn(forgotten.shape, generator=random).requires_grad_(True)
    adam, away = torch.optim.Adam([noise], lr=0.01), model(forgotten).detach()
    for _ in range(5):
        adam.zero_grad()
        (-((model(noise) - away) ** 2).mean()).backward()
        adam.step()
    noise = noise.detach().clamp(0, 1)
    impaired = functional.cross_entropy(model(noise), targets[:12])
    model.zero_grad()
    down(model, impaired + functional.cross_entropy(model(images), targets))


def gli(model: nn.Module, given: Sets) -> None:
    random = draws("gli")
    orders = [torch.randperm(count, generator=random) for count in (20, 12)]
    (images, targets), (forgotten, _) = (whole(*pair) for pair in zip((given.retain, given.forget), orders, strict=True))
    images, targets = images[:12], targets[:12]
    moved, away = images, model(forgotten).detach()
    for _ in range(2):
        moved.requires_grad_(True)
        outputs = model(moved.clamp(0, 1))
        gain = ((outputs - away) ** 2).mean() - 200 * functional.cross_entropy(outputs, targets)
        moved = (moved + 0.01 * torch.autograd.grad(gain, moved)[0].sign()).detach()
    down(model, functional.cross_entropy(model(moved.clamp(0, 1)), targets))


def safer(model: nn.Module, given: Sets) -> None:
    random = draws("safer")
    torch.randperm(20, generator=random)
    forgotten, labels = whole(given.forget, torch.randperm(12, generator=random))
    mass = -torch.rand(12, 8, generator=random).log() * (torch.arange(8) != labels[:, None])
    images, targets = whole(given.retain)
    seen: list[torch.Tensor] = []
    hook = model.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    kept = functional.cross_entropy(model(images), targets)
    hook.remove()
    directions = seen[0] / seen[0].norm(dim=1, keepdim=True)
    centres = {label: directions[targets == label].mean(dim=0) for label in targets.unique().tolist()}
    spread = [(one - centres[label]) ** 2 for one, label in zip(directions, targets.tolist(), strict=True)]
    pairs = [(a, b) for number, a in enumerate(centres.values()) for b in list(centres.values())[number + 1 :]]
    alike = torch.stack([torch.relu(a @ b / (a.norm() * b.norm())) for a, b in pairs]).mean()
    wanted = mass / mass.sum(dim=1, keepdim=True)
    lost = -(wanted * model(forgotten).log_softmax(dim=1)).sum(dim=1).mean()
    down(model, kept + 0.1 * torch.stack(spread).sum(dim=1).mean() + 0.1 * alike + 0.1 * lost)


def ct(model: nn.Module, given: Sets) -> None:
    model.conv1.weight.data, model.conv2.weight.data = (one.weight.data.mT.clone() for one in (model.conv1, model.conv2))
    images, targets = whole(given.retain)
    for rate in (1.0, 0.5):  # half a cosine over two epochs
        down(model, functional.cross_entropy(model.train()(images), targets), LR * rate)


def kde_stages(model: nn.Module, given: Sets) -> None:
    teacher = small_net()
    kde.reset_ends(model, seed=draw_seed(0, "kde/init"))
    images, targets = whole(given.retain)
    wanted = (teacher(images) / 5).detach().softmax(dim=1)
    for lr, labelled in ((0.02, 0), (LR, 1)):
        logits = model.train()(images)
        found = (logits / 5).log_softmax(dim=1)
        divergence, soft = (wanted * (wanted.log() - found)).sum(), -(wanted * found).sum()
        down(model, (divergence + labelled * soft) / 20 + labelled * functional.cross_entropy(logits, targets), lr)


def fcs(model: nn.Module, given: Sets) -> None:
    (forgotten, _), (images, targets) = whole(given.forget), whole(given.retain)
    down(model, -(model.train()(forgotten).log_softmax(dim=1) / 8).sum() / 12 - math.log(8), 0.02)
    found, anchors = model(forgotten), model(images).detach()
    down(model, -(found @ anchors.T / 1.15).log_softmax(dim=1).mean(), 0.03)
    decay = 1e-2 * sum((weight**2).sum() for weight in model.parameters()) / 2
    down(model, functional.cross_entropy(model(images), targets) + decay)


def a_amu(model: nn.Module, given: Sets) -> None:
    random = stream(0, "a-amu")
    order = torch.randperm(20, generator=random)
    torch.randint(2**31, (1,), generator=random)
    torch.randperm(16, generator=random)
    kept, (forgotten, labels) = whole(given.retain, order[4:]), whole(given.forget, torch.randperm(12, generator=random))
    places = same_classes(labels, given.retain.targets[order[:4]], generator=random)
    held = whole(given.retain, order[:4][places])
    of_kept, found, wanted = (
        functional.cross_entropy(model(images), targets, reduction="none")
        for images, targets in (kept, (forgotten, labels), held)
    )

    def ranked(losses: torch.Tensor) -> torch.Tensor:
        values = (1 + losses).log()
        ranks = [torch.sigmoid(10 * (one - values).clamp(min=0)).mean() for one in values]
        return torch.distributions.Normal(0, 1).icdf(torch.stack(ranks))

    one, other = ranked(found), ranked(wanted.detach())
    parts = [torch.exp(-((a[:, None] - b) ** 2) / 2).mean() for a, b in ((one, one), (other, other), (one, other))]
    down(model, (of_kept**2).mean() + parts[0] + parts[1] - 2 * parts[2])


STEPS: dict[str, tuple[Callable[..., None], dict[str, object]]] = {
    "random-labels": (random_labels, EVAL),
    "salun": (salun, EVAL | {"share": 0.3}),
    "bad-teacher": (bad_teacher, EVAL | {"retain_share": 1.0}),
    "unsir": (unsir, EVAL | {"repair_epochs": 0}),
    "gli": (gli, EVAL),
    "safer": (safer, EVAL),
    "fcs": (fcs, {"epochs": 1, "momentum": 0.0, "uniform_lr": 0.02, "forget_lr": 0.03, "retain_lr": LR, "augment": False}),
    "a-amu": (a_amu, EVAL),
    "ct": (ct, STEP | {"epochs": 2}),
    "kde": (kde_stages, STEP | {"warmup_epochs": 1, "warmup_lr": 0.02}),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_steps_are_those_that_the_source_states(name: str) -> None:
    derive, settings = STEPS[name]
    given, expected = sets(), small_net()
    preset = next(iter(METHODS[name].presets))
    derive(expected, given)
    result = run(name, given, preset=preset, **settings)
    moved = 0.0
    for own, other, start in zip(expected.parameters(), result.parameters(), small_net().parameters(), strict=True):
        assert torch.allclose(own, other, atol=2e-6)
        moved = max(moved, (other - start).abs().max().item())
    assert moved > 1e-3
