"""Sharp MinMax: SAM on retain for one part of the weights, sharpness maximised on forget for the other."""

import pytest
import torch
from torch import nn

from aru.methods import sharp_minmax
from aru.methods.importance import summed_gradient
from aru.methods.registry import METHODS
from aru.train.losses import task_loss
from tests.helpers.toys import CPU, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, gradient, run, statistics


def forget_gradient(model, given):
    return summed_gradient(model, given.forget, batch_size=64, compute=CPU, progress=lambda *call: None, text="")


@pytest.mark.parametrize("unlearning", ["smallest", "largest"])
def test_each_weight_learns_or_unlearns(unlearning):
    model, given = small_net(), sets()
    config = METHODS["sharp-minmax"].configure(share=0.3, unlearning=unlearning)
    mask = sharp_minmax.unlearning_weights(forget_gradient(model, given), config)
    sizes = torch.cat([value.abs().flatten() for value in forget_gradient(model, given).values()])
    marked = torch.cat([value.flatten() for value in mask.values()])
    assert marked.sum() == pytest.approx(0.3 * len(marked), abs=1)
    inside, outside = sizes[marked], sizes[~marked]
    assert inside.max() <= outside.min() if unlearning == "smallest" else inside.min() >= outside.max()
    # Without sharpness a step is retain's descent outside the mask and forget's ascent inside.
    shared = {"share": 0.3, "unlearning": unlearning, "retain_weight": 0.9, "lr": 0.05} | ONE_STEP
    result = run("sharp-minmax", given, sharpness=0.0, **shared)
    both = zip(mask.values(), gradient(model, given.retain), gradient(model, given.forget), strict=True)
    assert_moved(model, result, [0.05 * torch.where(part, 0.1 * lost, -0.9 * kept) for part, kept, lost in both])


def test_retain_is_learnt_where_it_is_flat_and_forget_unlearnt_where_it_is_sharp():
    model, given = small_net(), sets()
    changes = {"unlearning": "largest", "radius": 0.5, "sharpness": 0.7, "retain_weight": 0.6, "lr": 0.05} | ONE_STEP
    config = METHODS["sharp-minmax"].configure(**changes)

    def found(data, weight, sign):
        images, targets = data.batch(torch.arange(len(data)), CPU.device)
        first = {name: weight * value for name, value in zip(names, gradient(model, data), strict=True)}
        return sharp_minmax.sharpened(model, first, lambda: weight * task_loss(model(images), targets), config, sign=sign)

    names = [name for name, _ in model.named_parameters()]
    flat, sharp = found(given.retain, 0.6, 1), found(given.forget, -0.4, -1)
    mask = sharp_minmax.unlearning_weights(forget_gradient(model, given), config)
    result = run("sharp-minmax", given, **changes)
    assert_moved(model, result, [-0.05 * torch.where(mask[name], sharp[name], flat[name]) for name in names])


class Bowl(nn.Module):
    """One weight w, whose loss is w^2 / 2."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0]))

    def loss(self) -> torch.Tensor:
        return self.weight.square().sum() / 2


@pytest.mark.parametrize("adaptive, radius", [(False, 0.5), (True, 0.5 / 3)])
@pytest.mark.parametrize("sign, slope", [(1, 3.5), (-1, 2.5)])
def test_the_gradient_is_that_of_a_flatter_or_of_a_sharper_place(sign, slope, adaptive, radius):
    model = Bowl()
    config = METHODS["sharp-minmax"].configure(radius=radius, adaptive=adaptive)  # 0.5 up the slope: there it is 3.5
    found = sharp_minmax.sharpened(model, {"weight": torch.tensor([3.0])}, model.loss, config, sign=sign)
    assert found["weight"].item() == pytest.approx(slope)
    assert model.weight.item() == 3.0


def test_the_second_pass_leaves_running_statistics_alone():
    model = small_net().train()
    before = [value.clone() for value in statistics(model)]
    with sharp_minmax.statistics_untracked(model):
        model(torch.rand(8, 3, 16, 16))
    assert all(torch.equal(*pair) for pair in zip(before, statistics(model), strict=True))
    model(torch.rand(8, 3, 16, 16))
    assert not torch.equal(before[0], statistics(model)[0])
